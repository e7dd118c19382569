/** The picture of the name: a hub in the middle of an open line. */
export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect width="32" height="32" rx="9" fill="var(--accent)" />
      <g fill="none" stroke="var(--on-accent)" strokeWidth="2.6" strokeLinecap="round">
        <path d="M4.500 16H10M22 16h5.500" />
        <circle cx="16" cy="16" r="5.500" />
      </g>
      <circle cx="16" cy="16" r="1.900" fill="var(--on-accent)" />
    </svg>
  );
}
