/** Places a panel above or below the button that it belongs to, in CSS pixels of the window. */
export function putBeside(button: HTMLElement, panel: HTMLElement): void {
  const place = button.getBoundingClientRect();
  const below = place.bottom + panel.offsetHeight + 8 < window.innerHeight;
  panel.style.top = `${below ? place.bottom + 4 : Math.max(8, place.top - panel.offsetHeight - 4)}px`;
  panel.style.left = `${Math.max(8, Math.min(place.right - panel.offsetWidth, window.innerWidth - panel.offsetWidth - 8))}px`;
}

/**
 * Keeps a panel beside its button when what is around it scrolls, as a conversation does by itself with each word of an
 * answer. `left` is called when the button is scrolled out of sight. Returns what ends it.
 */
export function stayBeside(button: HTMLElement, panel: HTMLElement, left: () => void): () => void {
  const scrolled = ({ target }: Event) => {
    if (!(target instanceof Node) || !target.contains(button)) return;
    const box = target instanceof Element ? target.getBoundingClientRect() : { top: 0, bottom: window.innerHeight };
    const place = button.getBoundingClientRect();
    if (place.bottom < box.top || place.top > box.bottom) left();
    else putBeside(button, panel);
  };
  document.addEventListener("scroll", scrolled, true);
  return () => document.removeEventListener("scroll", scrolled, true);
}
