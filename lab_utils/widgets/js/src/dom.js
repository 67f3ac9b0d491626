/** Keep a widget's plain keys from JupyterLab, whose arrows, letters and digits are commands; Ctrl+S stays its. */
export function keepKeys(root) {
  root.addEventListener("keydown", (event) => {
    if (!event.ctrlKey && !event.metaKey && event.key !== "Escape") event.stopPropagation();
  });
  return root;
}

/** A new element with attributes, a click handler as `onclick`, and children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "onclick") made.addEventListener("click", value);
    else made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export const NO_ANSWER_MS = 8000;
const NO_ANSWER =
  "No answer from Python yet. If the kernel was restarted, run the cell again; in lab tune, load the page again. " +
  "Edits that were saved are in the label file.";

/** Tells if an answer is long in coming: `asked()` after a message, `answered()` once something has come back. */
export function answerTimer(tell, ms = NO_ANSWER_MS) {
  let timer = null;
  let told = false;
  const answered = () => {
    clearTimeout(timer);
    timer = null;
    if (told) tell("");
    told = false;
  };
  const asked = () => {
    answered();
    timer = setTimeout(() => {
      told = true;
      tell(NO_ANSWER);
    }, ms);
  };
  return { asked, answered };
}
