"""A relay as one writes it with Django Channels and channels_redis; REDIS_PORT says where Redis is."""

import os

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path

settings.configure(
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [("127.0.0.1", int(os.environ["REDIS_PORT"]))]},
        }
    }
)
django.setup()


class Client(AsyncWebsocketConsumer):
    async def connect(self):
        self.group = "r" + self.scope["url_route"]["kwargs"]["channel"]
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()

    async def disconnect(self, code):
        await self.channel_layer.group_discard(self.group, self.channel_name)

    async def relay(self, message):
        await self.send(text_data=message["text"])


app = ProtocolTypeRouter({"websocket": URLRouter([path("<str:channel>", Client.as_asgi())])})
