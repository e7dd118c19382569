// socket.io on Node.js: WebSocket only, no compression, no connection state recovery; the `ws` engine as it comes.
import { createServer } from "node:http";
import { Server } from "socket.io";

const port = Number(process.argv[process.argv.indexOf("--port") + 1]);
const http = createServer();
const io = new Server(http, { transports: ["websocket"], perMessageDeflate: false, serveClient: false });
const turn = () => new Promise(setImmediate);

io.on("connection", (socket) => {
  socket.on("EchoText", (value, done) => done?.(value));
  socket.on("Broadcast", (messages, size, done) => {
    for (let sent = 0; sent < messages; sent++) io.emit("ReceiveMessage", "alice", "x".repeat(size));
    done?.();
  });
  socket.on("BroadcastApart", async (messages, size, done) => {
    for (let sent = 0; sent < messages; sent++) {
      io.emit("ReceiveMessage", "alice", "x".repeat(size));
      await turn();
    }
    done?.();
  });
});

http.listen(port, "127.0.0.1", 4096);
