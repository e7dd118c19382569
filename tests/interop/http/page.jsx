// A page as its author would write it: `useChat`, and nothing of ours. The messages that it has are in its storage, as an
// application would have them in a database: those of the user at once, answers when they are whole.
import { useChat } from "@ai-sdk/react";
import { useEffect, useState } from "react";
import { createRoot } from "react-dom/client";

const id = new URLSearchParams(location.search).get("chat");
const stored = JSON.parse(sessionStorage.getItem(id) ?? "[]");

function Chat() {
  const { messages, sendMessage, status, error } = useChat({ id, messages: stored, resume: true });
  const [text, setText] = useState("");
  useEffect(() => {
    const whole = status === "streaming" ? messages.filter((message) => message.role === "user") : messages;
    sessionStorage.setItem(id, JSON.stringify(whole));
  }, [messages, status]);
  const submit = (event) => {
    event.preventDefault();
    sendMessage({ text });
    setText("");
  };
  return (
    <main>
      <ol>
        {messages.map((message) => (
          <li key={message.id} data-role={message.role} data-id={message.id}>
            {message.parts.map((part, index) => (part.type === "text" ? <span key={index}>{part.text}</span> : null))}
          </li>
        ))}
      </ol>
      <form onSubmit={submit}>
        <input aria-label="Message" value={text} onChange={(event) => setText(event.target.value)} />
      </form>
      <output>{error ? `error: ${error.message}` : status}</output>
    </main>
  );
}

createRoot(document.body.appendChild(document.createElement("div"))).render(<Chat />);
