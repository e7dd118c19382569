import { useRef, type ClipboardEvent } from "react";
import { useChat } from "../chat";
import { t } from "../language/language";
import { IconButton } from "../ui/buttons";
import { Icon } from "../ui/Icon";
import { useValue } from "../ui/store";
import styles from "./files.module.css";
import { isImage, sizeOf, type Upload } from "./uploads";

/** The files of what is being written. */
export function useFiles(roomId: string) {
  const { uploads, notice } = useChat();
  const all = useValue(uploads.of(roomId));
  const possible = useValue(uploads.limit) > 0;
  const add = (files: readonly File[]) => {
    const problem = files.length > 0 ? uploads.add(roomId, files) : null;
    if (problem) notice.set({ text: problem, tone: "problem" });
  };
  return {
    all,
    add,
    possible,
    ready: all.some((each) => each.state === "done"),
    busy: all.some((each) => each.state !== "done"),
    /** A picture or files from the clipboard; text is pasted as ever. */
    paste: (event: ClipboardEvent) => {
      const files = [...event.clipboardData.files];
      if (!possible || files.length === 0 || event.clipboardData.types.includes("text/plain")) return;
      event.preventDefault();
      add(files);
    },
  };
}

export function AttachButton({ onFiles }: { onFiles(files: readonly File[]): void }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <input ref={input} type="file" multiple hidden aria-label={t("Files to attach")}
        onChange={(event) => {
          onFiles([...(event.target.files ?? [])]);
          event.target.value = ""; // the same file can be chosen again
        }} />
      <IconButton icon="clip" label={t("Attach files")} onClick={() => input.current?.click()} />
    </>
  );
}

export function Attachments({ roomId, all }: { roomId: string; all: readonly Upload[] }) {
  if (all.length === 0) return null;
  return (
    <ul className={styles.attached} aria-label={t("Attached files")}>
      {all.map((upload) => <Attached key={upload.key} roomId={roomId} upload={upload} />)}
    </ul>
  );
}

function Attached({ roomId, upload }: { roomId: string; upload: Upload }) {
  const { uploads } = useChat();
  const { key, name, file, state, progress } = upload;
  return (
    <li className={styles.chip} data-upload={state}>
      {file && isImage(file) ? <img className={styles.thumb} src={uploads.server.url(file)} alt="" width={36} height={36} /> : <span className={styles.sign}><Icon name="file" /></span>}
      <span className={styles.what}>
        <span className={styles.name} title={name}>{name}</span>
        <small role={state === "failed" ? "alert" : undefined} className={state === "failed" ? styles.failed : ""}>
          {state === "failed" ? upload.error : state === "done" ? sizeOf(upload.size) : t("{percent} % of {size}", { percent: Math.floor(progress * 100), size: sizeOf(upload.size) })}
        </small>
        {state === "sending" && <progress className={styles.progress} value={progress} max={1} aria-label={t("Upload of {name}", { name })} />}
      </span>
      {state === "failed" && <IconButton icon="again" label={t("Try {name} again", { name })} onClick={() => uploads.retry(roomId, key)} />}
      <IconButton icon="close" label={t("Remove {name}", { name })} onClick={() => uploads.remove(roomId, key)} />
    </li>
  );
}
