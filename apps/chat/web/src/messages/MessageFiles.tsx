import { useState } from "react";
import { useChat } from "../chat";
import type { FileInfo } from "../connection/contract";
import { t } from "../language/language";
import { Icon } from "../ui/Icon";
import styles from "./files.module.css";
import { isImage, sizeOf } from "./uploads";

const WIDEST = 420;
const HIGHEST = 320;

/** The files of a message: images as such, everything else to be saved. */
export function MessageFiles({ files = [] }: { files?: readonly FileInfo[] | undefined }) {
  if (files.length === 0) return null;
  return <div className={styles.files}>{files.map((file) => <OneFile key={file.id} file={file} />)}</div>;
}

function OneFile({ file }: { file: FileInfo }) {
  const url = useChat().uploads.server.url(file);
  const [broken, setBroken] = useState(false);
  if (!isImage(file) || broken) {
    return (
      <a className={styles.chip} href={url} download={file.name} title={t("Save {name}", { name: file.name })}>
        <span className={styles.sign}><Icon name="file" /></span>
        <span className={styles.what}>
          <span className={styles.name}>{file.name}</span>
          <small>{broken ? t("The image cannot be shown") : sizeOf(file.size)}</small>
        </span>
      </a>
    );
  }
  const [width, height] = shownSize(file.width ?? 1, file.height ?? 1);
  return (
    <a className={styles.image} style={{ width, aspectRatio: `${width} / ${height}` }} href={url} target="_blank" rel="noopener noreferrer" title={`${file.name} · ${sizeOf(file.size)}`}>
      <img src={url} alt={file.name} width={width} height={height} loading="lazy" decoding="async" onError={() => setBroken(true)} />
    </a>
  );
}

/** The size in which an image is shown, known before it has been loaded: nothing moves when it is. */
export function shownSize(width: number, height: number): [number, number] {
  const scale = Math.min(1, WIDEST / width, HIGHEST / height);
  return [Math.max(24, Math.round(width * scale)), Math.max(24, Math.round(height * scale))];
}
