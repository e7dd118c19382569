import { renderToStaticMarkup } from "react-dom/server";
import { describe, expect, it } from "vitest";
import { Question } from "../src/answers/Question";
import { ToolDetails } from "../src/answers/ToolDetails";
import { ChatContext, type Chat } from "../src/chat";
import type { ToolUse } from "../src/connection/contract";
import { ME } from "./fake-port";

const use: ToolUse = { toolCallId: "1", name: "files_open", title: "Open", server: "files", state: "approval-requested", input: { "file\u202e": "invoice\u202efdp.exe" } };
const question = (of: ToolUse) =>
  renderToStaticMarkup(
    <ChatContext value={{} as Chat}>
      <Question messageId="m" ask={{ askId: "a", prompt: "?" } as never} use={of} deciders={[ME]} me={ME} />
    </ChatContext>,
  );

describe("the question before a tool is used", () => {
  it("shows what would turn the direction of its text", () => {
    for (const html of [question(use), renderToStaticMarkup(<ToolDetails use={use} running />)]) {
      expect(html).not.toContain("\u202e");
      expect(html).toContain("file\\u202E");
      expect(html).toContain("invoice\\u202Efdp.exe");
    }
    expect(question({ ...use, input: "raw\u202e" })).toContain("raw\\u202E");
  });

  it("keeps its words in their order, in whatever direction the names are written", () => {
    expect(question({ ...use, title: "פתח" })).toContain("Use “<bdi>פתח</bdi>” of <bdi>files</bdi>?");
    expect(question({ ...use, server: null, title: null, name: "made\u202eup" })).toContain("Use “<bdi>made\\u202Eup</bdi>”?");
  });

  it("shows also a name that the model has made up", () => {
    const html = renderToStaticMarkup(<ToolDetails use={{ ...use, state: "output-error", server: null, title: null, name: "x\u202e", errorText: "There is no tool called x\u202e." }} running={false} />);
    expect(html).not.toContain("\u202e");
    expect(html).toContain("There is no tool called x\\u202E.");
  });
});
