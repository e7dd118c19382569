import { useState } from "react";
import { useChat } from "../chat";
import { sentence } from "../connection/errors";
import type { Room, RoomMember } from "../connection/contract";
import { Avatar } from "../ui/Avatar";
import { Button, IconButton } from "../ui/buttons";
import { Dialog } from "../ui/Dialog";
import form from "../ui/form.module.css";
import { useValue } from "../ui/store";
import { AddMember } from "./AddMember";
import styles from "./details.module.css";

/** The people of a private room: who they are, adding, removing, and the way out. */
export function Members({ room }: { room: Room }) {
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
      setError(`${member.name} is still here: ${sentence(failure)}`);
    }
  };
  return (
    <section>
      <h3>Members · {room.members.length}</h3>
      <ul className={styles.members} aria-label="Members">
        {room.members.map((member) => (
          <li key={member.id} className={styles.person}>
            <Avatar person={{ ...member, kind: "person" }} size={28} />
            <div>
              {member.name}
              {member.id === me.id && " (you)"}
              {member.isOwner && <small>owner</small>}
            </div>
            {mayRemove && member.id !== me.id && (
              <IconButton icon="close" label={`Remove ${member.name}`} onClick={() => void remove(member)} />
            )}
          </li>
        ))}
      </ul>
      {error && <p role="alert" className={styles.error}>{error}</p>}
      <AddMember room={room} />
      <Button look="link" onClick={() => setLeaving(true)}>Leave for good…</Button>
      {leaving && <Leave room={room} onClose={() => setLeaving(false)} />}
    </section>
  );
}

function Leave({ room, onClose }: { room: Room; onClose(): void }) {
  const chat = useChat();
  const me = useValue(chat.me);
  const last = room.members.length === 1;
  const leave = () => {
    onClose();
    void chat.attempt(`You could not leave ${room.name}`, () => chat.rooms.leaveForGood(room.id, me.id));
  };
  return (
    <Dialog title={`Leave ${room.name} for good?`} onClose={onClose}>
      <p>
        {last
          ? "You are its last member: the room will be deleted with everything that was said in it."
          : "You will not see it any more, until one of its members adds you again."}
      </p>
      <div className={form.buttons}>
        <Button onClick={onClose}>Stay</Button>
        <Button look="danger" onClick={leave}>{last ? "Leave and delete" : "Leave for good"}</Button>
      </div>
    </Dialog>
  );
}
