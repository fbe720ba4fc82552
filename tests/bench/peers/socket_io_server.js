// A relay as one writes it with Socket.IO and its Redis adapter: node socket_io_server.js PORT REDIS_PORT
const { createServer } = require("http");
const { Server } = require("socket.io");
const { createAdapter } = require("@socket.io/redis-adapter");
const { createClient } = require("redis");

const [port, redisPort] = process.argv.slice(2).map(Number);

async function main() {
  const publisher = createClient({ socket: { host: "127.0.0.1", port: redisPort } });
  const subscriber = publisher.duplicate();
  await Promise.all([publisher.connect(), subscriber.connect()]);
  const http = createServer();
  const io = new Server(http, { adapter: createAdapter(publisher, subscriber), transports: ["websocket"] });
  io.on("connection", async (socket) => {
    await socket.join(socket.handshake.query.room);
    socket.emit("joined");
  });
  http.listen({ host: "127.0.0.1", port, backlog: 1024 });
}

main();
