import { useState } from "react";
import { useChat } from "../chat";
import { t } from "../language/language";
import { usePage } from "../page";
import { Button } from "../ui/buttons";
import { Dialog } from "../ui/Dialog";
import styles from "../ui/form.module.css";
import { MessagesChoice, type Left } from "./MessagesChoice";
import { PasswordField } from "./PasswordField";
import { useForm } from "./use-form";

/** Removes my own account, after my password; without one, the sign-in must be fresh. */
export function RemoveAccountDialog({ onClose }: { onClose(): void }) {
  const chat = useChat();
  const page = usePage();
  const [left, setLeft] = useState<Left>("keep");
  const [password, setPassword] = useState("");
  const hasPassword = chat.user.hasPassword !== false;
  const form = useForm(() => page.removeAccount(password, left));
  return (
    <Dialog title={t("Remove your account")} onClose={onClose}>
      <form ref={form.ref} className={styles.form} onSubmit={form.onSubmit} noValidate aria-busy={form.busy}>
        <p>{t("You are signed out on every device, your conversations with the assistant are deleted, and you leave your private rooms. This cannot be undone.")}</p>
        <MessagesChoice legend={t("Your messages")} value={left} onChoose={setLeft} />
        {hasPassword && (
          <>
            <input type="text" autoComplete="username" value={chat.user.name} readOnly hidden />
            <PasswordField label={t("Your password")} name="password" autoComplete="current-password" value={password} error={form.at("password")}
              onChange={(event) => setPassword(event.target.value)} />
          </>
        )}
        {form.at(null) !== null && <p role="alert" className={styles.refusal}>{form.at(null)}</p>}
        <div className={styles.buttons}>
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button look="danger" type="submit" disabled={form.busy || form.wait > 0 || (hasPassword && password === "")}>
            {form.wait > 0 ? t("Try again in {seconds} s", { seconds: form.wait }) : t("Remove my account")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
