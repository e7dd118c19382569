import mermaid from "mermaid";
import { isDark } from "../ui/ground";

let count = 0;

/**
 * A diagram as the address of a picture, in the colours of the page as it is now. As a picture it can run nothing, load
 * nothing and lead nowhere, whatever is written in it. Raises an error when the text is no diagram.
 */
export async function picture(source: string): Promise<string> {
  mermaid.initialize({
    startOnLoad: false,
    securityLevel: "strict",
    theme: "base",
    themeVariables: colours(),
    htmlLabels: false,
    flowchart: { htmlLabels: false },
    suppressErrorRendering: true,
    maxTextSize: 20_000,
  });
  await mermaid.parse(source);
  const { svg } = await mermaid.render(`diagram-${++count}`, source);
  return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(sized(svg))}`;
}

/** From these Mermaid makes all others: lighter or darker ones, for a dark ground if it is said to be one. */
function colours(): Record<string, string | boolean> {
  const probe = document.body.appendChild(document.createElement("span"));
  const named = (name: string) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  };
  const found = {
    darkMode: isDark(),
    background: named("--bg"),
    mainBkg: named("--accent-soft"),
    primaryColor: named("--accent-soft"),
    secondaryColor: named("--bg-hover"),
    tertiaryColor: named("--bg-raised"),
    primaryTextColor: named("--text"),
    secondaryTextColor: named("--text"),
    tertiaryTextColor: named("--text"),
    textColor: named("--text"),
    titleColor: named("--text"),
    primaryBorderColor: named("--accent"),
    secondaryBorderColor: named("--line-strong"),
    tertiaryBorderColor: named("--line-strong"),
    lineColor: named("--line-strong"),
    edgeLabelBackground: named("--bg-raised"),
    noteBkgColor: named("--warn-soft"),
    noteTextColor: named("--text"),
    noteBorderColor: named("--warn"),
    errorBkgColor: named("--danger-soft"),
    errorTextColor: named("--danger"),
  };
  probe.remove();
  return found;
}

/** Mermaid makes pictures as wide as their place; alone they need a size of their own. */
function sized(svg: string): string {
  const box = /viewBox="[-\d.]+ [-\d.]+ ([\d.]+) ([\d.]+)"/.exec(svg);
  return box ? svg.replace(/width="100%"/, `width="${box[1]}" height="${box[2]}"`) : svg;
}
