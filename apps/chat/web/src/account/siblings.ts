/** What windows of the same seat tell each other. */
export type News = "signed-in" | "signed-out";

/** The other windows that share this one's session. */
export interface Siblings {
  tell(news: News): void;
  heard(listener: (news: News) => void): void;
}

/** The windows of the same browser and seat. Where the browser has no such channel, each window finds out by itself. */
export function siblings(seat: string | null): Siblings {
  if (typeof BroadcastChannel === "undefined") return { tell: () => undefined, heard: () => undefined };
  const channel = new BroadcastChannel(`hubline.session.${seat ?? ""}`);
  return {
    tell: (news) => channel.postMessage(news),
    heard: (listener) => {
      channel.onmessage = ({ data }) => listener(data as News);
    },
  };
}
