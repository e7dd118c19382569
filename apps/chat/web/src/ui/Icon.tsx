const PATHS = {
  menu: "M4 6h16M4 12h16M4 18h16",
  people: "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7ZM2.500 20c0-3.600 2.900-6 6.500-6s6.500 2.400 6.500 6M16 4.300a3.500 3.500 0 0 1 0 6.400M18 14.300c2.100.8 3.500 2.800 3.500 5.700",
  plus: "M12 5v14M5 12h14",
  send: "M12 19V5M6 11l6-6 6 6",
  stop: "M8 8h8v8H8z",
  down: "M12 5v14M6 13l6 6 6-6",
  play: "M7 5l11 7-11 7z",
  copy: "M9 9h10v11H9zM5 15V4h10",
  check: "M5 12.500l4.500 4.500L19 7.500",
  again: "M20 11a8 8 0 1 0-2.300 6.300M20 5v6h-6",
  close: "M6 6l12 12M18 6 6 18",
  signal: "M5 20v-4M10 20v-8M15 20V8M20 20V4",
  spark: "M12 3.500l2 6.500 6.500 2-6.500 2-2 6.500-2-6.500L3.500 12l6.500-2z",
  search: "M10.500 17a6.500 6.500 0 1 0 0-13 6.500 6.500 0 0 0 0 13ZM20 20l-4.800-4.800",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM12 7v5l3 2",
  warning: "M12 4 2.800 20h18.400zM12 10v4M12 17v.1",
  keyboard: "M3 7h18v11H3zM7 11h.1M11 11h.1M15 11h.1M8 15h8",
  out: "M10 4H5v16h5M15 8l4 4-4 4M9 12h10",
  window: "M4 5h16v14H4zM4 9h16",
  lock: "M6 11h12v9H6zM8.500 11V8a3.500 3.500 0 0 1 7 0v3",
  eye: "M2.500 12S6 5.500 12 5.500 21.500 12 21.500 12 18 18.500 12 18.500 2.500 12 2.500 12ZM12 14.500a2.500 2.500 0 1 0 0-5 2.500 2.500 0 0 0 0 5Z",
  key: "M8 19a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM11 12.500l8-8M16 7.500l3 3",
  bolt: "M13 3 5 14h6l-1 7 8-11h-6z",
  chevron: "M7 10l5 5 5-5",
  minus: "M5 12h14",
  more: "M4 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0M11 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0M18 12a1 1 0 1 0 2 0 1 1 0 1 0-2 0",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700l-1.300 1.300M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700l1.300-1.300",
  bin: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  clip: "M20 11.500l-7.800 7.800a5 5 0 0 1-7-7l8.300-8.300a3.400 3.400 0 0 1 4.800 4.800l-8.200 8.200a1.700 1.700 0 0 1-2.400-2.400l7.300-7.300",
  file: "M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6",
  smile: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18ZM8.500 14.500a4.200 4.200 0 0 0 7 0M9 9.500v.1M15 9.500v.1",
  reply: "M9 6 3.500 11.500 9 17M4 11.500h9a7 7 0 0 1 7 7",
  tool: "M14.500 6.500a4 4 0 0 1 5-3.500l-2.500 2.500 1.500 1.500 2.500-2.500a4 4 0 0 1-5 5L8 17.500a2 2 0 0 1-2.800-2.800z",
  pen: "M4 20l1-4L16 5l3 3L8 19z",
} as const;

export type IconName = keyof typeof PATHS;

/** A line drawing in the colour of the text; the name of the thing is said elsewhere. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false" fill="none"
      stroke="currentColor" strokeWidth="1.8" strokeLinecap="round" strokeLinejoin="round">
      <path d={PATHS[name]} fill={name === "stop" ? "currentColor" : "none"} />
    </svg>
  );
}
