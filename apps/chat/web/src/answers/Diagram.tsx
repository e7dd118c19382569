import { useState } from "react";
import { t } from "../language/language";
import { Button } from "../ui/buttons";
import styles from "./code.module.css";

type State = { kind: "asked" | "failed" } | { kind: "shown"; src: string } | null;

/** The way from the text of a Mermaid diagram to its picture. The program that draws it is large: only a click fetches it. */
export function Diagram({ source }: { source: string }) {
  const [state, setState] = useState<State>(null);
  const [drawn, setDrawn] = useState(source);
  if (drawn !== source) {
    setDrawn(source);
    setState(null);
  }
  const show = async () => {
    setState({ kind: "asked" });
    try {
      const { picture } = await import("./mermaid");
      setState({ kind: "shown", src: await picture(source) });
    } catch {
      setState({ kind: "failed" });
    }
  };
  if (state?.kind === "shown") {
    return (
      <div className={styles.diagram}>
        <img src={state.src} alt={t("Diagram of the text above")} />
        <Button look="link" onClick={() => setState(null)}>{t("Hide the diagram")}</Button>
      </div>
    );
  }
  return (
    <div className={styles.diagram}>
      <Button look="link" disabled={state?.kind === "asked"} onClick={() => void show()}>{state?.kind === "asked" ? t("Drawing…") : t("Show the diagram")}</Button>
      {state?.kind === "failed" && <span role="alert">{" "}{t("This text is no diagram that can be drawn.")}</span>}
    </div>
  );
}
