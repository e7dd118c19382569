import { useRef, useState, type RefObject, type SubmitEvent } from "react";
import { useNow } from "../ui/use-now";
import { refusalOf, remaining, type Refusal } from "./refusals";

interface Form {
  ref: RefObject<HTMLFormElement | null>;
  busy: boolean;
  /** Seconds until another try makes sense. */
  wait: number;
  refusal: Refusal | null;
  /** What is wrong at this field, or null. */
  at(field: Refusal["field"]): string | null;
  refuse(refusal: Refusal): void;
  onSubmit(event: SubmitEvent<HTMLFormElement>): void;
}

/** The life of a form: it is sent once at a time, and what is wrong is said at its field, which gets the focus. */
export function useForm(send: () => Promise<void>): Form {
  const ref = useRef<HTMLFormElement>(null);
  const [busy, setBusy] = useState(false);
  const [refusal, setRefusal] = useState<Refusal | null>(null);
  const until = refusal?.until ?? null;
  const now = useNow(until === null ? null : 250);
  const wait = remaining(until, now);
  const refuse = (next: Refusal) => {
    setRefusal(next);
    const field = next.field && ref.current?.querySelector<HTMLInputElement>(`[name=${next.field}]`);
    field?.focus();
    field?.select();
  };
  const submit = async () => {
    setBusy(true);
    setRefusal(null);
    try {
      await send();
    } catch (error) {
      refuse(refusalOf(error, Date.now()));
    } finally {
      setBusy(false);
    }
  };
  return {
    ref,
    busy,
    wait,
    refusal,
    at: (field) => (refusal && refusal.field === field && !(until !== null && wait === 0) ? refusal.text : null),
    refuse,
    onSubmit: (event) => {
      event.preventDefault();
      if (!busy && wait === 0) void submit();
    },
  };
}
