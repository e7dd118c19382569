import { useEffect, useState } from "react";
import { t } from "../language/language";
import { Button } from "../ui/buttons";
import { useDark } from "../ui/ground";
import styles from "./code.module.css";

type State = { kind: "asked" | "failed" } | { kind: "shown"; src: string } | null;

/** The way from the text of a Mermaid diagram to its picture. The program that draws it is large: only a click fetches it. */
export function Diagram({ source }: { source: string }) {
  const [state, setState] = useState<State>(null);
  const [drawn, setDrawn] = useState(source);
  const [wanted, setWanted] = useState(false);
  const dark = useDark();
  if (drawn !== source) {
    setDrawn(source);
    setState(null);
    setWanted(false);
  }
  useEffect(() => {
    if (!wanted) return;
    let current = true;
    const tell = (next: State) => current && setState(next);
    import("./mermaid").then(({ picture }) => picture(source)).then((src) => tell({ kind: "shown", src }), () => {
      tell({ kind: "failed" });
      if (current) setWanted(false);
    });
    return () => {
      current = false;
    };
  }, [source, wanted, dark]);
  const show = () => {
    setState({ kind: "asked" });
    setWanted(true);
  };
  const hide = () => {
    setState(null);
    setWanted(false);
  };
  if (state?.kind === "shown") {
    return (
      <div className={styles.diagram}>
        <img src={state.src} alt={t("Diagram of the text above")} />
        <Button look="link" onClick={hide}>{t("Hide the diagram")}</Button>
      </div>
    );
  }
  return (
    <div className={styles.diagram}>
      <Button look="link" disabled={state?.kind === "asked"} onClick={show}>{state?.kind === "asked" ? t("Drawing…") : t("Show the diagram")}</Button>
      {state?.kind === "failed" && <span role="alert">{" "}{t("This text is no diagram that can be drawn.")}</span>}
    </div>
  );
}
