"""The bare loop in C, and nginx with its module for push."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.bench.load import programs, templates
from tests.bench.load.programs import Missing
from tests.bench.peers.contender import Contender, Place
from tests.integration.processes import ROOT

_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
_NGINX = """\
load_module {module};
{user}
daemon off;
worker_processes 1;
worker_rlimit_nofile 65536;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 32768; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream redis {{ nchan_redis_server redis://127.0.0.1:{redis_port}; }}
  nchan_message_buffer_length {history};
  server {{
    listen 127.0.0.1:{port} backlog=1024;
    keepalive_requests 1000000000;
    nchan_subscriber_first_message newest;
    location ~ ^/subscribe/(\\d+)$ {{ nchan_subscriber websocket; nchan_channel_id $1; {through} }}
    location ~ ^/publish/(\\d+)$ {{ nchan_publisher; nchan_channel_id $1; {through} }}
  }}
}}
"""


def _limit_version() -> str:
    programs.compiled("limit")
    return "limit.c"


def _nchan_version() -> str:
    if not _MODULE.exists():
        subprocess.run([ROOT / "tests" / "install", "--always", "libnginx-mod-nchan"], check=False)
    if not _MODULE.exists():
        raise Missing("libnginx-mod-nchan cannot be installed")
    found = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "libnginx-mod-nchan"], capture_output=True, text=True, check=True
    )
    return f"libnginx-mod-nchan {found.stdout}"


def _nchan(place: Place, *, is_through_redis: bool) -> Sequence[str]:
    text = _NGINX.format(
        module=_MODULE,
        user="user root;" if os.getuid() == 0 else "",
        folder=place.folder,
        port=place.port,
        redis_port=place.redis_port,
        history=templates.HISTORY_SIZE,
        through="nchan_redis_pass redis;" if is_through_redis else "",
    )
    configuration = place.folder / "nginx.conf"
    configuration.write_text(text)
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    return [nginx, "-p", str(place.folder), "-c", str(configuration), "-e", str(place.folder / "error.log")]


def _post() -> bytes:
    return templates.posted(f"/publish/{templates.CHANNEL}", templates.message())


LIMIT = Contender(
    "limit",
    "limit: bare epoll in C, one send per frame",
    _limit_version,
    lambda place: [str(programs.compiled("limit")), str(place.port), "1"],
    "/%05d",
    templates.line,
    "beside",
)
LIMIT_JOINED = Contender(
    "limit-joined",
    "limit: 16 frames joined per send",
    _limit_version,
    lambda place: [str(programs.compiled("limit")), str(place.port), "16"],
    "/%05d",
    templates.line,
    "beside",
    only=("W1", "W1x"),
)
NCHAN = Contender(
    "nchan",
    "Nchan (nginx, C), without Redis",
    _nchan_version,
    lambda place: _nchan(place, is_through_redis=False),
    "/subscribe/%05d",
    _post,
    "server",
)
NCHAN_REDIS = Contender(
    "nchan-redis",
    "Nchan (nginx, C), with Redis",
    _nchan_version,
    lambda place: _nchan(place, is_through_redis=True),
    "/subscribe/%05d",
    _post,
    "server",
)
