import { useState } from "react";
import { useChat } from "../chat";
import { sentence } from "../connection/errors";
import type { Room, RoomMember } from "../connection/contract";
import { PersonMenu } from "../conversations/Pair";
import { plural, t } from "../language/language";
import { Avatar } from "../ui/Avatar";
import { Button, IconButton } from "../ui/buttons";
import { Dialog } from "../ui/Dialog";
import form from "../ui/form.module.css";
import { useValue } from "../ui/store";
import { AddMember } from "./AddMember";
import styles from "./details.module.css";
import { titleOf } from "./title";

/** The people of a private room: who they are, adding, removing, and the way out. */
export function Members({ room, onWritten }: { room: Room; onWritten(): void }) {
  const chat = useChat();
  const me = useValue(chat.me);
  const [error, setError] = useState<string | null>(null);
  const [leaving, setLeaving] = useState(false);
  const mayRemove = me.role === "admin" || room.members.some((member) => member.id === me.id && member.isOwner);
  const remove = async (member: RoomMember) => {
    setError(null);
    try {
      await chat.rooms.removeMember(room.id, member.id);
    } catch (failure) {
      setError(t("{name} is still here: {reason}", { name: member.name, reason: sentence(failure) }));
    }
  };
  return (
    <section>
      <h3>{t("Members")} · {room.members.length}</h3>
      <ul className={styles.members} aria-label={t("Members")}>
        {room.members.map((member) => (
          <li key={member.id} className={styles.person}>
            <Avatar person={{ ...member, kind: "person" }} size={28} />
            <div>
              {member.name}
              {member.id === me.id && <> {t("(you)")}</>}
              <small>{member.isOwner && <>{t("owner")} · </>}{presence(member.devices ?? 0)}</small>
            </div>
            <PersonMenu person={member} onDone={onWritten} />
            {mayRemove && !room.isPair && member.id !== me.id && (
              <IconButton icon="close" label={t("Remove {name}", { name: member.name })} onClick={() => void remove(member)} />
            )}
          </li>
        ))}
      </ul>
      {error && <p role="alert" className={styles.error}>{error}</p>}
      {!room.isPair && <AddMember room={room} />}
      {!room.isPair && <Button look="link" onClick={() => setLeaving(true)}>{t("Leave for good…")}</Button>}
      {leaving && <Leave room={room} onClose={() => setLeaving(false)} />}
    </section>
  );
}

/** Whether somebody is in the chat, in whatever room. */
function presence(devices: number): string {
  return devices > 0 ? `${t("online")} · ${plural(devices, "1 device", "{count} devices")}` : t("offline");
}

function Leave({ room, onClose }: { room: Room; onClose(): void }) {
  const chat = useChat();
  const me = useValue(chat.me);
  const last = room.members.length === 1;
  const leave = () => {
    onClose();
    void chat.attempt(t("You could not leave {name}", { name: titleOf(room) }), () => chat.rooms.leaveForGood(room.id, me.id));
  };
  return (
    <Dialog title={t("Leave {name} for good?", { name: titleOf(room) })} onClose={onClose}>
      <p>
        {last
          ? t("You are its last member: the room will be deleted with everything that was said in it.")
          : t("You will not see it any more, until one of its members adds you again.")}
      </p>
      <div className={form.buttons}>
        <Button onClick={onClose}>{t("Stay")}</Button>
        <Button look="danger" onClick={leave}>{t(last ? "Leave and delete" : "Leave for good")}</Button>
      </div>
    </Dialog>
  );
}
