import { useChat } from "../chat";
import { t } from "../language/language";
import { linkTo } from "../rooms/route";
import { copy } from "../ui/clipboard";
import { Menu, type MenuItem } from "../ui/Menu";

interface Props {
  roomId: string;
  messageId: string;
  /** What a person wrote; below answers a button of their own copies theirs. */
  text?: string;
  items?: readonly MenuItem[];
}

/** What can be done with a message. `items` come before what copies it. */
export function MessageMenu({ roomId, messageId, text = "", items = [] }: Props) {
  const chat = useChat();
  const copying = (what: string, done: string, failed: string) => () =>
    void chat.attempt(failed, async () => {
      await copy(what);
      chat.notice.set({ text: done, tone: "news" });
    });
  const copies: MenuItem[] = [
    { label: t("Copy link"), icon: "link", act: copying(linkTo(roomId, messageId), t("The link to the message is copied."), t("The link could not be copied")) },
  ];
  if (text !== "") {
    copies.unshift({ label: t("Copy text"), icon: "copy", act: copying(text, t("The text of the message is copied."), t("The text could not be copied")) });
  }
  return <Menu label={t("Message actions")} items={[...items, ...copies]} />;
}
