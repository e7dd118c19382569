// `useChat` of the AI SDK over a hub connection, in Strict Mode: a chat that goes on after a reload of the page.
// `?hub=URL&chat=ID`. A message is the method of the contract hub that answers it, and its arguments as JSON.
import { useChat } from "@ai-sdk/react";
import { HubConnectionBuilder, LogLevel } from "@microsoft/signalr";
import type { UIMessage } from "ai";
import { StrictMode, useEffect } from "react";
import { createRoot } from "react-dom/client";
import { chatTransport } from "../../src/ai.js";
import { keepConnected } from "../../src/index.js";

const query = new URLSearchParams(location.search);
const id = query.get("chat") ?? "";
const connection = new HubConnectionBuilder()
  .withUrl(query.get("hub") ?? "", { withCredentials: false })
  .configureLogging(LogLevel.None)
  .build();

const transport = chatTransport(connection, {
  start({ chatId, messages, key }) {
    const [method, args] = JSON.parse(textOf(messages.at(-1)));
    return connection.invoke<string>(method, ...(method === "StartCount" ? [...args, key, chatId] : args));
  },
});

function textOf(message: UIMessage | undefined): string {
  return (message?.parts ?? []).map((part) => (part.type === "text" ? part.text : "")).join("");
}

/** The questions, as an application has them from its server. */
const stored = JSON.parse(sessionStorage.getItem(id) ?? "[]") as UIMessage[];

function App() {
  const { messages, sendMessage, status, error, stop } = useChat({ id, messages: stored, transport, resume: true });
  useEffect(() => {
    const kept = keepConnected(connection);
    return () => void kept.stop();
  }, []);
  useEffect(() => {
    sessionStorage.setItem(id, JSON.stringify(messages.filter(({ role }) => role === "user")));
  }, [messages]);
  const send = (form: FormData) => void sendMessage({ text: String(form.get("text")) });
  return (
    <>
      <ul>
        {messages.map((message) => (
          <li key={message.id} data-id={message.id} data-role={message.role}>
            {textOf(message)}
          </li>
        ))}
      </ul>
      <output>{[status, error?.message].filter(Boolean).join(": ")}</output>
      <form action={send}>
        <input name="text" aria-label="Message" />
      </form>
      <button onClick={() => void stop()}>Look away</button>
      <button onClick={() => void transport.stop(id)}>Stop</button>
    </>
  );
}

const root = document.getElementById("root");
if (root) {
  createRoot(root).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
