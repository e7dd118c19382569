import type { FileInfo } from "../connection/contract";
import { said, t } from "../language/language";
import type { FileServer } from "../messages/uploads";
import { isRecord } from "../ui/storage";

/** Seconds without any progress after which an upload is given up. */
const SILENCE = 60_000;

/** Files over HTTP. `seat` as in `Api`: pictures and links cannot have headers, so it is in the address. */
export function fileServer(seat: string | null): FileServer {
  const query = (values: Record<string, string>) => {
    const all = new URLSearchParams(seat === null ? values : { ...values, seat }).toString();
    return all === "" ? "" : `?${all}`;
  };
  return {
    url: (file) => `/api/files/${encodeURIComponent(file.id)}/${encodeURIComponent(file.name)}${query({})}`,
    exportUrl: (roomId, format) => `/api/rooms/${encodeURIComponent(roomId)}/export${query({ format })}`,
    upload: (roomId, file, progress, signal) => send(`/api/files${query({ room: roomId, name: file.name || "image.png" })}`, file, progress, signal),
    discard: async (fileId) => void (await fetch(`/api/files/${encodeURIComponent(fileId)}${query({})}`, { method: "DELETE", credentials: "same-origin" })),
  };
}

/** By XMLHttpRequest: `fetch` does not tell how far an upload is. */
function send(url: string, file: File, progress: (share: number) => void, signal: AbortSignal): Promise<FileInfo> {
  return new Promise((done, fail) => {
    const request = new XMLHttpRequest();
    let watch: ReturnType<typeof setTimeout> | undefined;
    const alive = () => {
      clearTimeout(watch);
      watch = setTimeout(() => request.abort(), SILENCE);
    };
    const lost = () => fail(new Error(t("The connection was lost.")));
    request.upload.onprogress = (event) => {
      alive();
      progress(event.lengthComputable ? event.loaded / event.total : 0);
    };
    request.onload = () => {
      const answer = request.response as unknown;
      if (request.status === 201) done(answer as FileInfo);
      else fail(new Error(isRecord(answer) && typeof answer.error === "string" ? said(answer.error) : t("The server refused it ({status}).", { status: request.status })));
    };
    request.onerror = request.onabort = lost;
    request.onloadend = () => clearTimeout(watch);
    signal.addEventListener("abort", () => request.abort());
    request.open("POST", url);
    request.responseType = "json";
    alive();
    request.send(file);
  });
}
