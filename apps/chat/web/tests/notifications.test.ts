import { beforeEach, describe, expect, it } from "vitest";
import { Notifications, type Notifier } from "../src/account/notifications";
import { memoryBox, type Box } from "../src/ui/storage";

interface Shown {
  title: string;
  options: NotificationOptions;
}

let shown: Shown[];
let asked: number;
let hidden: boolean;
let box: Box;

/** A browser in which a person answers `answer` when asked. */
function browser(permission: NotificationPermission, answer: NotificationPermission = permission): Notifier {
  return class {
    static permission = permission;
    static async requestPermission(): Promise<NotificationPermission> {
      asked++;
      return (this.permission = answer);
    }
    onclick = null;
    constructor(title: string, options: NotificationOptions) {
      shown.push({ title, options });
    }
    close(): void {}
  };
}

const notifications = (notifier?: Notifier) => new Notifications(box, notifier ?? browser("default", "granted"), () => hidden);
const news = (text = "hello") => ({ title: "Grace in General", text, id: "m1", open: () => undefined });

beforeEach(() => {
  [shown, asked, hidden, box] = [[], 0, true, memoryBox()];
});

describe("notifications", () => {
  it("are off, and the browser is not asked, until the person turns them on", async () => {
    const some = notifications();
    some.tell(news());
    expect([some.state.value, asked, shown]).toEqual(["off", 0, []]);
    await some.toggle();
    some.tell(news());
    expect([some.state.value, asked]).toEqual(["on", 1]);
    expect(shown).toEqual([{ title: "Grace in General", options: { body: "hello", tag: "m1", icon: "./favicon.svg" } }]);
  });

  it("come only while the page is hidden, and are short", async () => {
    const some = notifications(browser("granted"));
    await some.toggle();
    hidden = false;
    some.tell(news());
    expect(shown).toEqual([]);
    hidden = true;
    some.tell(news("x".repeat(500)));
    expect(shown[0]?.options.body).toHaveLength(161);
  });

  it("are remembered, and stay off when they are turned off", async () => {
    const granted = browser("granted");
    await notifications(granted).toggle();
    const later = notifications(granted);
    expect(later.state.value).toBe("on");
    await later.toggle();
    later.tell(news());
    expect([later.state.value, notifications(granted).state.value, shown, asked]).toEqual(["off", "off", [], 0]);
  });

  it("say when the browser will not", async () => {
    const refused = notifications(browser("default", "denied"));
    await refused.toggle();
    expect(refused.state.value).toBe("blocked");
    expect(new Notifications(box, undefined, () => true).state.value).toBe("impossible");
  });

  it("give up on a browser that has only the name", async () => {
    const phone = Object.assign(function () { throw new TypeError("Illegal constructor"); }, { permission: "granted", requestPermission: async () => "granted" });
    const some = notifications(phone as unknown as Notifier);
    await some.toggle();
    some.tell(news());
    expect(some.state.value).toBe("impossible");
  });
});
