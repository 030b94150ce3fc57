// What pages do beyond reading, all of it on top of pages that work without: charts, live parts, forms that ask first.
"use strict";

(() => {
  const still = matchMedia("(prefers-reduced-motion: reduce)");

  // Charts: uPlot draws what the table beside it says.

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const charts = new Map();

  const size = (value) => {
    const names = ["B", "kB", "MB", "GB", "TB", "PB"];
    let at = 0;
    while (Math.abs(value) >= 1000 && at < names.length - 1) { value /= 1000; at += 1; }
    return `${value < 10 && at ? value.toFixed(1) : Math.round(value)} ${names[at]}`;
  };
  const duration = (value) => {
    if (value < 1) return `${Math.round(value * 1000)} ms`;
    if (value < 100) return `${Math.round(value * 10) / 10} s`;
    return value < 7200 ? `${Math.round(value / 60)} min` : `${Math.round(value / 3600)} h`;
  };
  const told = (value, unit) => {
    if (value === null || value === undefined) return "–";
    if (unit === "bytes") return size(value);
    if (unit === "seconds") return duration(value);
    return value.toLocaleString("en-GB", { maximumFractionDigits: 2 });
  };

  const clock = (at) => {
    const time = new Date(at * 1000);
    const two = (number) => String(number).padStart(2, "0");
    const day = `${two(time.getDate())}.${two(time.getMonth() + 1)}.`;
    return time.getHours() + time.getMinutes() === 0 ? day : `${two(time.getHours())}:${two(time.getMinutes())}`;
  };

  const draw = (element) => {
    charts.get(element)?.destroy();
    element.hidden = false;
    const given = JSON.parse(element.dataset.chart);
    if (!given.times.length) { element.hidden = true; return; }
    const unit = given.series[0]?.unit;
    const soft = colour("--soft");
    const font = "12px system-ui, sans-serif";
    const axis = { stroke: soft, font, grid: { stroke: colour("--rule"), width: 1 }, ticks: { show: false } };
    charts.set(element, new uPlot({
      width: element.clientWidth || 320,
      height: 220,
      cursor: { drag: { setScale: false } },
      legend: { live: true },
      scales: { y: { range: (_plot, low, high) => [Math.min(0, low ?? 0), (high || 1) * 1.08] } },
      axes: [
        { ...axis, grid: { show: false }, space: 76, values: (_plot, marks) => marks.map(clock) },
        { ...axis, size: 66, values: (_plot, marks) => marks.map((mark) => told(mark, unit)) },
      ],
      series: [
        { value: (_plot, at) => (at ? new Date(at * 1000).toLocaleString("en-GB") : "–") },
        ...given.series.map((one, index) => ({
          label: one.name,
          stroke: colour(`--line-${(index % 4) + 1}`),
          // Told apart without colours too.
          dash: [[], [8, 4], [3, 3], [12, 3, 3, 3]][index % 4],
          width: 2,
          points: { show: given.times.length < 3 },
          value: (_plot, value) => told(value, one.unit),
        })),
      ],
    }, [given.times, ...given.series.map((one) => one.values)], element));
  };

  const widths = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const chart = charts.get(target);
      if (chart && contentRect.width && Math.abs(chart.width - contentRect.width) > 1) {
        chart.setSize({ width: contentRect.width, height: 220 });
      }
    }
  });
  const forget = (within) => {
    for (const [element, chart] of charts) {
      if (within.contains(element)) { widths.unobserve(element); chart.destroy(); charts.delete(element); }
    }
  };
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => [...charts.keys()].forEach(draw));

  // Tables: on a narrow screen each row is a small card whose cells say what they are.

  const label = (table) => {
    const names = [...table.querySelectorAll("thead th")].map((head) => head.textContent.trim());
    if (!names.length || table.classList.contains("stacked")) return;
    for (const row of table.tBodies[0]?.rows ?? []) {
      [...row.cells].forEach((cell, index) => {
        if (cell.colSpan === 1 && names[index] && cell.tagName === "TD") cell.dataset.label = names[index];
      });
    }
    // Shown as blocks, a table is none any more for a screen reader unless it is said.
    const say = (elements, role) => [...elements].forEach((one) => one.setAttribute("role", role));
    say([table], "table");
    say(table.querySelectorAll("thead, tbody"), "rowgroup");
    say(table.rows, "row");
    say(table.querySelectorAll("thead th"), "columnheader");
    say(table.querySelectorAll("tbody th"), "rowheader");
    say(table.querySelectorAll("td"), "cell");
    table.classList.add("stacked");
  };

  // How long ago something was goes on while one looks.

  const ago = (at) => {
    const gone = Date.now() / 1000 - at;
    const span = Math.abs(gone);
    if (span < 2) return "now";
    const [divisor, name] = span < 60 ? [1, "s"] : span < 3600 ? [60, "min"] : span < 86400 ? [3600, "h"] : [86400, "d"];
    const words = `${Math.floor(span / divisor)} ${name}`;
    return gone > 0 ? `${words} ago` : `in ${words}`;
  };
  const tick = (within) => {
    for (const time of within.querySelectorAll("time[data-ago]")) {
      const words = ago(Date.parse(time.dateTime) / 1000);
      if (time.textContent !== words) time.textContent = words;
    }
  };

  const dress = (within) => {
    within.querySelectorAll("[data-chart]").forEach((element) => {
      if (window.uPlot && !charts.has(element)) { draw(element); widths.observe(element); }
    });
    within.querySelectorAll("table:not(.diff)").forEach(label);
    within.querySelectorAll("[data-close]").forEach((button) => { button.hidden = false; });
    within.querySelectorAll("time[datetime]").forEach((time) => {
      if (!time.title) time.title = new Date(time.dateTime).toLocaleString();
    });
    tick(within);
  };

  // Live parts: what somebody opened, or is writing in, is not taken from under their hands.

  let opened = [];
  const busy = (part) => {
    const active = document.activeElement;
    return part.contains(active) && active.matches("input:not([type=hidden]), textarea, select, details.confirm[open] *");
  };
  const nameOf = (element) => element.id || element.querySelector("summary")?.textContent.trim() || "";

  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.target.dataset?.part && busy(event.target)) event.preventDefault();
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const part = event.detail.target;
    if (!part?.dataset?.part) return;
    if (busy(part)) { event.detail.shouldSwap = false; return; }
    opened = [...part.querySelectorAll("details[open]")].map(nameOf);
    part.scrolled = [...part.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
    part.had = document.activeElement && part.contains(document.activeElement)
      ? [...part.querySelectorAll("a, button, summary, [tabindex]")].indexOf(document.activeElement) : -1;
    forget(part);
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    const part = event.detail.target;
    if (!part?.dataset?.part) return;
    part.querySelectorAll("details").forEach((one) => { if (opened.includes(nameOf(one))) one.open = true; });
    dress(part);
    [...part.querySelectorAll(".scroll")].forEach((box, index) => { box.scrollLeft = part.scrolled?.[index] ?? 0; });
    if (part.had >= 0) part.querySelectorAll("a, button, summary, [tabindex]")[part.had]?.focus({ preventScroll: true });
  });
  // An answer that is an error (the ledger is away, the login ended) leaves the part as it is.
  document.addEventListener("htmx:responseError", (event) => {
    if (event.detail.xhr.status === 401) location.reload();
  });

  const connection = (state, words) => {
    for (const sign of document.querySelectorAll("[data-live]")) {
      if (sign.dataset.live === state) continue;
      sign.hidden = false;
      sign.dataset.live = state;
      sign.textContent = words;
    }
  };
  let lost = false;
  document.addEventListener("htmx:sseOpen", () => {
    connection("on", "Live");
    if (!lost) return;
    lost = false;
    // What changed meanwhile was told to nobody.
    for (const part of document.querySelectorAll("[data-part]")) {
      htmx.trigger(part, part.getAttribute("hx-trigger").split(",")[0].trim());
    }
  });
  document.addEventListener("htmx:sseError", () => {
    lost = true;
    connection("off", "Not live: connecting again");
  });
  document.addEventListener("htmx:sseClose", () => connection("off", "Not live"));
  document.addEventListener("htmx:sseBeforeMessage", () => connection("on", "Live"));

  // Forms.

  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-close]");
    if (button) {
      const asked = button.closest("details");
      asked.open = false;
      asked.querySelector("summary").focus();
    }
  });
  document.addEventListener("keydown", (event) => {
    const asked = event.key === "Escape" && event.target.closest?.("details.confirm[open]");
    if (asked) { asked.open = false; asked.querySelector("summary").focus(); }
  });
  document.addEventListener("submit", (event) => {
    // Sent once, however often it is clicked; the button's name and value go with it, so it is disabled a moment later.
    const button = event.submitter;
    if (button && event.target.method === "post") setTimeout(() => { button.disabled = true; }, 0);
  });
  addEventListener("pageshow", (event) => {
    if (event.persisted) document.querySelectorAll("button[disabled]").forEach((button) => { button.disabled = false; });
  });

  dress(document);
  document.addEventListener("toggle", (event) => {
    if (event.target.open && still.matches === false && event.target.matches("details.confirm")) {
      event.target.scrollIntoView({ block: "nearest", behavior: "smooth" });
    }
  }, true);
  setInterval(() => tick(document), 5000);
})();
