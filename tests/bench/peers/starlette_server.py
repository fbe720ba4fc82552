"""A relay as one writes it with Starlette and redis.asyncio, on uvicorn; REDIS_PORT says where Redis is."""

import asyncio
import os
from collections import defaultdict
from contextlib import asynccontextmanager

from redis.asyncio import Redis
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocketDisconnect

clients = defaultdict(set)


async def listen(subscriber):
    async for message in subscriber.listen():
        if message["type"] == "pmessage":
            text = message["data"].decode()
            for client in list(clients[message["channel"].decode()]):
                await client.send_text(text)


@asynccontextmanager
async def lifespan(app):
    redis = Redis(port=int(os.environ["REDIS_PORT"]))
    async with redis.pubsub() as subscriber:
        await subscriber.psubscribe("bench:*")
        listening = asyncio.create_task(listen(subscriber))
        yield
        listening.cancel()
    await redis.aclose()


async def client(websocket):
    await websocket.accept()
    channel = "bench:" + websocket.path_params["channel"]
    clients[channel].add(websocket)
    try:
        while True:
            await websocket.receive_text()
    except WebSocketDisconnect:
        clients[channel].discard(websocket)


app = Starlette(routes=[WebSocketRoute("/{channel}", client)], lifespan=lifespan)
