import { said } from "../language/language";
import { visible } from "./visible";

/** How a tool is called: the chat's own ones in the reader's language, others as their server, or the model, calls them. */
export function toolTitle(title: string, server: string | null | undefined): string {
  return visible(server ? title : said(title));
}
