import mermaid from "mermaid";

let count = 0;

/**
 * A diagram as the address of a picture. As a picture it can run nothing, load nothing and lead nowhere, whatever is
 * written in it. It is drawn for a light
 * ground, which it brings along, so that it fits every theme. Raises an error when the text is no diagram.
 */
export async function picture(source: string): Promise<string> {
  mermaid.initialize({
    startOnLoad: false,
    securityLevel: "strict",
    theme: "default",
    htmlLabels: false,
    flowchart: { htmlLabels: false },
    suppressErrorRendering: true,
    maxTextSize: 20_000,
  });
  await mermaid.parse(source);
  const { svg } = await mermaid.render(`diagram-${++count}`, source);
  return `data:image/svg+xml;charset=utf-8,${encodeURIComponent(sized(svg))}`;
}

/** Mermaid makes pictures as wide as their place; alone they need a size of their own. */
function sized(svg: string): string {
  const box = /viewBox="[-\d.]+ [-\d.]+ ([\d.]+) ([\d.]+)"/.exec(svg);
  return box ? svg.replace(/width="100%"/, `width="${box[1]}" height="${box[2]}"`) : svg;
}
