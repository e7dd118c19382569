import { useEffect, useRef, useState } from "react";
import { t } from "../language/language";
import { Icon } from "../ui/Icon";
import styles from "./files.module.css";
import { useFiles } from "./Attachments";

/** Takes files that are dropped anywhere on the page, and says so while they are dragged over it. */
export function DropTarget({ roomId, roomName }: { roomId: string; roomName: string }) {
  const { add, possible } = useFiles(roomId);
  const [over, setOver] = useState(false);
  const within = useRef(0); // one enter and one leave for each element below the pointer
  useEffect(() => {
    if (!possible) return;
    const has = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true && !document.querySelector("dialog[open]");
    const enter = (event: DragEvent) => void (has(event) && ++within.current === 1 && setOver(true));
    const leave = (event: DragEvent) => void (has(event) && (within.current = Math.max(0, within.current - 1)) === 0 && setOver(false));
    const drag = (event: DragEvent) => has(event) && event.preventDefault();
    const drop = (event: DragEvent) => {
      if (!has(event)) return;
      event.preventDefault();
      within.current = 0;
      setOver(false);
      add([...(event.dataTransfer?.files ?? [])]);
    };
    const handlers = { dragenter: enter, dragleave: leave, dragover: drag, drop };
    for (const [name, handler] of Object.entries(handlers)) document.addEventListener(name, handler as EventListener);
    return () => {
      for (const [name, handler] of Object.entries(handlers)) document.removeEventListener(name, handler as EventListener);
    };
  });
  if (!over) return null;
  return (
    <div className={styles.drop}>
      <p><Icon name="clip" size={24} /> {t("Drop files here to attach them to your message in {name}", { name: roomName })}</p>
    </div>
  );
}
