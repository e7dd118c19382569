import { useState, type ComponentProps, type KeyboardEvent } from "react";
import { t } from "../language/language";
import { IconButton } from "../ui/buttons";
import { Field } from "../ui/Field";

/** A password, hidden until it is asked for; says when the capitals are locked. */
export function PasswordField({ hint, ...field }: ComponentProps<typeof Field>) {
  const [shown, setShown] = useState(false);
  const [capitals, setCapitals] = useState(false);
  const pressed = (event: KeyboardEvent) => setCapitals(event.getModifierState("CapsLock"));
  return (
    <Field {...field} type={shown ? "text" : "password"} spellCheck={false} autoCapitalize="none" onKeyDown={pressed} onKeyUp={pressed}
      hint={capitals ? t("Caps Lock is on.") : !field.error && hint}
      end={<IconButton icon="eye" label={t(shown ? "Hide the password" : "Show the password")} aria-pressed={shown} onClick={() => setShown(!shown)} />} />
  );
}
