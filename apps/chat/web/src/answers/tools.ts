import { said } from "../language/language";

/** How a tool is called: the chat's own ones in the reader's language, others as their server calls them. */
export function toolTitle(title: string, server: string | null | undefined): string {
  return server ? title : said(title);
}
