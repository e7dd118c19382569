import { useState } from "react";
import { useChat } from "../chat";
import { said, t } from "../language/language";
import { usePage } from "../page";
import { Button } from "../ui/buttons";
import { Dialog } from "../ui/Dialog";
import styles from "../ui/form.module.css";
import { PasswordField } from "./PasswordField";
import { ApiError } from "./api";
import { PASSWORD_LENGTH, weakness } from "./refusals";
import { useForm } from "./use-form";

/** A new password for me; my other sessions end by it. */
export function PasswordDialog({ onClose }: { onClose(): void }) {
  const chat = useChat();
  const { api } = usePage();
  const [current, setCurrent] = useState("");
  const [next, setNext] = useState("");
  const form = useForm(async () => {
    const weak = weakness(next);
    if (weak) return form.refuse({ field: "password", text: weak, until: null });
    try {
      await api.changePassword(current, next);
    } catch (error) {
      const wrong = error instanceof ApiError && error.code === "wrong-password";
      if (wrong) return form.refuse({ field: "current", text: said(error.message), until: null });
      throw error;
    }
    chat.notice.set({ text: t("Your password is changed. Other sessions of yours have ended."), tone: "news" });
    onClose();
  });
  return (
    <Dialog title={t("Change password")} onClose={onClose}>
      <form ref={form.ref} className={styles.form} onSubmit={form.onSubmit} noValidate aria-busy={form.busy}>
        {/* Password managers want to know whose password it is. */}
        <input type="text" autoComplete="username" value={chat.user.name} readOnly hidden />
        <PasswordField label={t("Current password")} name="current" autoComplete="current-password" value={current} error={form.at("current")}
          onChange={(event) => setCurrent(event.target.value)} />
        <PasswordField label={t("New password")} name="password" autoComplete="new-password" value={next} error={form.at("password")}
          hint={t("At least {length} characters; a few unrelated words are good.", { length: PASSWORD_LENGTH })} onChange={(event) => setNext(event.target.value)} />
        {form.at(null) !== null && <p role="alert" className={styles.refusal}>{form.at(null)}</p>}
        <div className={styles.buttons}>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button look="primary" type="submit" disabled={form.busy || form.wait > 0 || current === "" || next === ""}>
            {form.wait > 0 ? t("Try again in {seconds} s", { seconds: form.wait }) : t("Change")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
