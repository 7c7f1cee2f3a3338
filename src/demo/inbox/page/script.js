// Keeps the list fresh without moving what is being read, pointed at or focused.
(() => {
  "use strict";
  const list = document.getElementById("list");
  const status = document.getElementById("status");
  let seen = list.firstElementChild.dataset.seen;

  function replace(html) {
    const focused = list.contains(document.activeElement)
      ? document.activeElement.getAttribute("href")
      : null;
    const { scrollTop, scrollHeight } = list;
    list.innerHTML = html;
    const { dataset } = list.firstElementChild;
    seen = dataset.seen;
    status.textContent = dataset.summary;
    document.title = `Inbox (${dataset.summary}) - postrider demo`;
    if (scrollTop > 0) {
      list.scrollTop = scrollTop + list.scrollHeight - scrollHeight;
    }
    for (const link of list.querySelectorAll("a")) {
      if (link.getAttribute("href") === focused) {
        link.focus({ preventScroll: true });
      }
    }
  }

  async function refresh() {
    if (document.hidden) {
      return;
    }
    try {
      const query = new URLSearchParams({ at: location.pathname, seen });
      const answer = await fetch(`/list?${query}`);
      if (answer.status === 200) {
        replace(await answer.text());
      } else if (document.body.classList.contains("stopped")) {
        status.textContent = list.firstElementChild.dataset.summary;
      }
      document.body.classList.remove("stopped");
    } catch {
      document.body.classList.add("stopped");
      status.textContent = "The demo has stopped";
    }
  }

  // An open entry far down the list is brought into sight once.
  list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest" });
  setInterval(refresh, 2000);
  document.addEventListener("visibilitychange", refresh);
})();
