/** A stem and three bars: a waterfall. */
export const Mark = () => (
  <svg
    viewBox="0 0 20 20"
    fill="none"
    stroke="currentColor"
    strokeWidth="2.2"
    strokeLinecap="round"
    aria-hidden
  >
    <path d="M3 2.5v15M7 5h5M9.5 10H17M12 15h3" />
  </svg>
);
