/* Looks at /docs in Chromium, by playwright-core, and prints a line for each thing looked for: its name and, behind a
 * tab, what is wrong with it. Leaves pictures of what it saw.
 * Usage: node docs_page.js URL URL_WITH_TOKENS TOKEN PICTURES */
"use strict";
const { chromium } = require("playwright-core");
const [url, guarded, token, pictures] = process.argv.slice(2);
const gradient = "#operations-derivatives-gradient";

const tell = (name, problem) => console.log(`${name}\t${String(problem || "").replace(/\s+/g, " ").slice(0, 500)}`);
const look = async (name, see) => {
    try { tell(name, await see()); } catch (error) { tell(name, error.message || error); }
};

/* A page whose every request and complaint is kept in `seen`. */
async function open(browser, options) {
    const context = await browser.newContext(options);
    const page = await context.newPage();
    const seen = { outside: [], complaints: [] };
    context.on("request", (r) => { if (!r.url().startsWith(url) && !r.url().startsWith(guarded) && !r.url().startsWith("data:")) seen.outside.push(r.url()); });
    page.on("console", (m) => { if (["error", "warning"].includes(m.type())) seen.complaints.push(m.text()); });
    page.on("pageerror", (e) => seen.complaints.push(e.message));
    return { page, seen };
}

/* The answer that the page shows to the first request. */
async function tryFirst(page) {
    if (!await page.locator(`${gradient} .execute`).count()) await page.click(`${gradient} .opblock-summary-control`);
    await page.click(`${gradient} .execute`);
    await page.waitForSelector(`${gradient} .live-responses-table .response-col_status`);
    return {
        status: (await page.innerText(`${gradient} .live-responses-table .response .response-col_status`)).trim().slice(0, 3),
        text: (await page.innerText(`${gradient} .live-responses-table .response-col_description pre >> nth=0`)).replace(/\s+/g, ""),
    };
}

async function missing(page, document) {
    const shown = new Set(await page.locator(".opblock").evaluateAll((blocks) => blocks.map((b) =>
        `${b.querySelector(".opblock-summary-method").textContent} ${b.querySelector("[data-path]").dataset.path}`)));
    return Object.entries(document.paths).flatMap(([path, item]) => Object.keys(item).map((m) => `${m.toUpperCase()} ${path}`))
        .filter((route) => !shown.has(route)).join(", ");
}

async function lookAt(browser, name, options, document) {
    const { page, seen } = await open(browser, options);
    await look(`${name}: every route is on the page`, async () => {
        await page.goto(`${url}/docs`);
        await page.waitForSelector(".opblock");
        await page.screenshot({ path: `${pictures}/docs_${name}.png` });
        return missing(page, document);
    });
    await look(`${name}: the first request is tried, and its digits are seen`, async () => {
        const answer = await tryFirst(page);
        await page.locator(`${gradient} .opblock-section-request-body`).scrollIntoViewIfNeeded();
        await page.screenshot({ path: `${pictures}/docs_${name}_tried.png` });
        return answer.status === "200" && answer.text === '{"value":63,"gradient":{"x1":9,"x2":42}}' ? "" : JSON.stringify(answer);
    });
    await look(`${name}: nothing is cut off`, async () => {
        const [has, wants] = await page.evaluate(() => [innerWidth, document.scrollingElement.scrollWidth]);
        return wants > has ? `${wants} pixels in a window of ${has}` : "";
    });
    tell(`${name}: no other site is asked for anything`, seen.outside.join(" "));
    tell(`${name}: no complaint on the console`, seen.complaints.join("; "));
    await page.context().close();
}

async function lookWithToken(browser) {
    const { page, seen } = await open(browser, {});
    await look("with tokens: the page opens without one", async () => {
        await page.goto(`${guarded}/docs`);
        await page.waitForSelector(".opblock");
    });
    await look("with tokens: it is refused without one", async () => {
        const { status } = await tryFirst(page);
        return status === "401" ? "" : status;
    });
    await look("with tokens: it goes with one", async () => {
        await page.click(".btn.authorize");
        await page.fill(".auth-container input", token);
        await page.click(".auth-btn-wrapper .authorize");
        await page.click(".auth-btn-wrapper .btn-done");
        await page.click(`${gradient} .btn-clear`);
        const { status } = await tryFirst(page);
        return status === "200" ? "" : status;
    });
    tell("with tokens: no other site is asked for anything", seen.outside.join(" "));
    await page.context().close();
}

async function lookWithoutScripts(browser, document) {
    const { page, seen } = await open(browser, { javaScriptEnabled: false, viewport: { width: 1100, height: 1200 } });
    await look("without scripts: every operation is on the page", async () => {
        await page.goto(`${url}/docs`);
        const names = await Promise.all(Object.values(document.paths).flatMap((item) => Object.values(item))
            .map(async (o) => (await page.locator(`details[id="${o.operationId}"] > summary`).isVisible()) ? "" : o.operationId));
        return names.filter(Boolean).join(" ");
    });
    await look("without scripts: an operation opens", async () => {
        await page.click("#gradient > summary");
        await page.locator("#gradient").scrollIntoViewIfNeeded();
        await page.screenshot({ path: `${pictures}/docs_plain.png` });
        return (await page.innerText("#gradient")).includes('{"value":63.0,"gradient":{"x1":9.0,"x2":42.0}}') ? "" : "no answer";
    });
    tell("without scripts: no other site is asked for anything", seen.outside.join(" "));
    tell("without scripts: no complaint on the console", seen.complaints.join("; "));
    await page.context().close();
}

(async () => {
    const browser = await chromium.launch({
        executablePath: "/usr/bin/chromium",
        args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync"],
    });
    const document = await (await fetch(`${url}/openapi.json`)).json();
    const wide = { width: 1200, height: 1400 };
    await lookAt(browser, "light", { viewport: wide, colorScheme: "light" }, document);
    await lookAt(browser, "dark", { viewport: wide, colorScheme: "dark" }, document);
    await lookAt(browser, "narrow", { viewport: { width: 390, height: 844 }, colorScheme: "light" }, document);
    await lookWithToken(browser);
    await lookWithoutScripts(browser, document);
    await browser.close();
})().catch((error) => { tell("the browser", error.stack); process.exitCode = 1; });
