import { useChat } from "../chat";
import { t } from "../language/language";
import { linkTo } from "../rooms/route";
import { copy } from "../ui/clipboard";
import { Menu, type MenuItem } from "../ui/Menu";

/** What can be done with a message. `items` come before the link to it. */
export function MessageMenu({ roomId, messageId, items = [] }: { roomId: string; messageId: string; items?: readonly MenuItem[] }) {
  const chat = useChat();
  const link: MenuItem = {
    label: t("Copy link"),
    icon: "link",
    act: () =>
      void chat.attempt(t("The link could not be copied"), async () => {
        await copy(linkTo(roomId, messageId));
        chat.notice.set({ text: t("The link to the message is copied."), tone: "news" });
      }),
  };
  return <Menu label={t("Message actions")} items={[...items, link]} />;
}
