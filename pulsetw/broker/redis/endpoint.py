"""The way to Redis: TCP, TLS with the server's name checked, a unix socket, or what Sentinel names."""

import re
from pathlib import Path
from typing import Any

from OpenSSL.crypto import Error as CertificateError
from twisted.internet.endpoints import HostnameEndpoint, UNIXClientEndpoint, wrapClientTLS
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.ssl import Certificate, optionsForClientTLS, platformTrust, trustRootFromCertificates

from pulsetw.broker.redis.options import RedisOptions
from pulsetw.broker.redis.sentinel import SentinelEndpoint
from pulsetw.errors import ConfigError

_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def endpoint_of(reactor: IReactorTime, options: RedisOptions) -> IStreamClientEndpoint:
    """Where to connect to.

    Raises:
        ConfigError: for ``broker.ca_file``, which cannot be read or holds no certificate.
    """
    timeout_s = options.connect_timeout_s
    if options.path:
        return UNIXClientEndpoint(reactor, options.path, timeout=timeout_s)
    trust_root: Any = None
    if options.tls:
        trust_root = trustRootFromCertificates(_authorities(options.ca_file)) if options.ca_file else platformTrust()

    def way_to(host: str, port: int) -> IStreamClientEndpoint:
        endpoint = HostnameEndpoint(reactor, host.encode("idna"), port, timeout=timeout_s)
        if not options.tls:
            return endpoint
        return wrapClientTLS(optionsForClientTLS(options.server_name or host, trustRoot=trust_root), endpoint)

    if options.sentinels:
        return SentinelEndpoint(reactor, options, way_to)
    return way_to(options.host, options.port)


def _authorities(ca_file: str) -> list[Certificate]:
    try:
        found = _CERTIFICATE.findall(Path(ca_file).read_bytes())
        certificates = [Certificate.loadPEM(pem) for pem in found]
    except OSError as error:
        raise ConfigError("broker.ca_file", f"cannot be read ({error.strerror}); expected a PEM file") from None
    except CertificateError:
        raise ConfigError("broker.ca_file", "holds a damaged certificate; expected a PEM file") from None
    if not certificates:
        raise ConfigError("broker.ca_file", "holds no certificate; expected a PEM file")
    return certificates
