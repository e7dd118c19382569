import type { Token, Tokens } from "marked";
import { Fragment, memo, use, useMemo, type ReactNode } from "react";
import { t } from "../language/language";
import { CodeBlock } from "./CodeBlock";
import { lex } from "./dialect";
import { Formula } from "./Formula";
import { decodeEntities, safeHref } from "./links";
import styles from "./markdown.module.css";
import { MentionNames, splitMentions } from "./mentions";
import { settle } from "./settle";

/**
 * Markdown as React elements. No HTML is ever made from text, so nothing needs to be cleaned: tags are shown as
 * they are written, images become links, and links lead only to http, https and mail addresses.
 */
export const Markdown = memo(function Markdown({ text, growing = false, breaks = false }: {
  text: string;
  /** More will come: half-written marks at the end are held back. */
  growing?: boolean;
  /** A line break in the text is one on the screen (messages of people). */
  breaks?: boolean;
}) {
  const tokens = useMemo(() => lex(growing ? settle(text) : text, breaks), [text, growing, breaks]);
  const levels = headingLevels(tokens);
  const links = JSON.stringify(tokens.links);
  return (
    <div className={styles.markdown} dir="auto">
      {tokens.map((token, index) => (
        // A block never changes its place while the text grows: the index is its identity.
        <Block key={index} token={token} level={levels[index] ?? 2} links={token.raw.includes("[") ? links : ""} />
      ))}
    </div>
  );
});

interface BlockProps {
  token: Token;
  level: number;
  /** Where reference links lead, for a block that may have some: they are defined below it. */
  links: string;
}

/** Only the block that grows is drawn again, and those whose links have become known. */
const Block = memo(
  function Block({ token, level }: BlockProps) {
    return block(token, level);
  },
  (before, after) => before.level === after.level && before.links === after.links && before.token.type === after.token.type && before.token.raw === after.token.raw,
);

function block(token: Token, level = 2): ReactNode {
  const known = token as Tokens.Generic;
  switch (token.type) {
    case "paragraph":
      return <p>{inline(token.tokens)}</p>;
    case "text":
      return known.tokens ? inline(known.tokens) : decodeEntities(known.text as string);
    case "heading":
      return heading(token as Tokens.Heading, level);
    case "code":
      return <CodeBlock text={known.text as string} language={String(known.lang ?? "").split(/\s/)[0] ?? ""} />;
    case "blockquote":
      return <blockquote>{blocks(token.tokens)}</blockquote>;
    case "list":
      return list(token as Tokens.List);
    case "table":
      return table(token as Tokens.Table);
    case "hr":
      return <hr />;
    case "formulas":
      return <Formula raw={token.raw} source={known.text as string} block />;
    case "html":
      return <p className={styles.written}>{token.raw.trim()}</p>;
    case "space":
    case "def":
      return null;
    default:
      return inlineToken(token);
  }
}

function blocks(tokens: Token[] | undefined): ReactNode {
  return each(tokens, (token) => block(token));
}

function inline(tokens: Token[] | undefined): ReactNode {
  return each(tokens, inlineToken);
}

function each(tokens: Token[] | undefined, draw: (token: Token) => ReactNode): ReactNode {
  return tokens?.map((token, index) => <Fragment key={index}>{draw(token)}</Fragment>);
}

function inlineToken(token: Token): ReactNode {
  const known = token as Tokens.Generic;
  switch (token.type) {
    case "strong":
      return <strong>{inline(token.tokens)}</strong>;
    case "em":
      return <em>{inline(token.tokens)}</em>;
    case "del":
      return <del>{inline(token.tokens)}</del>;
    case "codespan":
      return <code>{known.text as string}</code>;
    case "br":
      return <br />;
    case "link":
      return <SafeLink href={known.href as string}>{inline(token.tokens)}</SafeLink>;
    case "image":
      return <SafeLink href={known.href as string}>{(known.text as string) || (known.href as string)}</SafeLink>;
    case "checkbox":
      return null;
    case "text":
      return known.tokens ? inline(known.tokens) : <Words text={decodeEntities(known.text as string)} />;
    case "formula":
      // Within a line of text there is no place for a block.
      return <Formula raw={token.raw} source={known.block ? `\\displaystyle ${String(known.text)}` : String(known.text)} block={false} />;
    case "escape":
      return known.text as string;
    default:
      return token.raw;
  }
}

/** Text in which `@somebody` stands out. */
function Words({ text }: { text: string }) {
  return splitMentions(text, use(MentionNames)).map((part, index) =>
    index % 2 === 1 ? <span key={index} className={styles.mention}>{part}</span> : part,
  );
}

function SafeLink({ href, children }: { href: string; children: ReactNode }) {
  const safe = safeHref(href);
  if (!safe) return <>{children}</>;
  return (
    <a href={safe} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

function heading(token: Tokens.Heading, level: number): ReactNode {
  const Level = `h${Math.min(level, 6)}` as "h2" | "h3" | "h4" | "h5" | "h6";
  return <Level>{inline(token.tokens)}</Level>;
}

/** Headings stand below the page's own and skip no level, whatever the model thought. */
function headingLevels(tokens: readonly Token[]): (number | undefined)[] {
  const open: number[] = [];
  return tokens.map((token) => {
    if (token.type !== "heading") return undefined;
    const { depth } = token as Tokens.Heading;
    while ((open.at(-1) ?? 0) >= depth) open.pop();
    open.push(depth);
    return 1 + open.length;
  });
}

function list(token: Tokens.List): ReactNode {
  const items = token.items.map((item, index) => (
    <li key={index} className={item.task ? styles.task : undefined}>
      {item.task && <input type="checkbox" checked={item.checked ?? false} readOnly disabled aria-label={t(item.checked ? "Done" : "To do")} />}
      {blocks(item.tokens)}
    </li>
  ));
  if (!token.ordered) return <ul>{items}</ul>;
  const start = token.start === "" ? 1 : token.start;
  const digits = String(start + items.length - 1).length;
  return <ol start={start} style={digits > 2 ? { paddingInlineStart: `${digits + 2}ch` } : undefined}>{items}</ol>;
}

function table(token: Tokens.Table): ReactNode {
  const row = (cells: Tokens.TableCell[], Cell: "th" | "td") =>
    cells.map((cell, index) => <Cell key={index} style={{ textAlign: cell.align ?? "left" }}>{inline(cell.tokens)}</Cell>);
  return (
    // The table scrolls sideways on its own: the keyboard must reach it.
    <div className={styles.table} role="group" aria-label={t("Table")} tabIndex={0}>
      <table>
        <thead>
          <tr>{row(token.header, "th")}</tr>
        </thead>
        <tbody>
          {token.rows.map((cells, index) => <tr key={index}>{row(cells, "td")}</tr>)}
        </tbody>
      </table>
    </div>
  );
}
