// A relay as one writes it with ws and redis: node ws_server.js PORT REDIS_PORT
const { WebSocket, WebSocketServer } = require("ws");
const { createClient } = require("redis");

const [port, redisPort] = process.argv.slice(2).map(Number);
const channels = new Map();

async function main() {
  const subscriber = createClient({ socket: { host: "127.0.0.1", port: redisPort } });
  await subscriber.connect();
  await subscriber.pSubscribe("bench:*", (message, channel) => {
    for (const client of channels.get(channel) ?? []) {
      if (client.readyState === WebSocket.OPEN) client.send(message);
    }
  });
  const server = new WebSocketServer({ host: "127.0.0.1", port, backlog: 1024 });
  server.on("connection", (client, request) => {
    const channel = `bench:${request.url.slice(1)}`;
    if (!channels.has(channel)) channels.set(channel, new Set());
    channels.get(channel).add(client);
    client.on("close", () => channels.get(channel).delete(client));
  });
}

main();
