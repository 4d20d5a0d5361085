/* The line at the bottom that says what has happened. */
#include "tui/app_impl.h"

#include "backend/base/mem.h"
#include "tui/text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE_MS   6000U
#define NOTICE_MS    20000U
#define FIRM_MS      3000U
#define MESSAGE_ROWS 4

void message_clear(struct app *app)
{
    app->message[0] = '\0';
    app->message_firm = 0;
    free(app->message_details);
    app->message_details = NULL;
}

static void set(struct app *app, enum role role, const char *text, uint64_t duration)
{
    message_clear(app);
    text_sanitise(app->message, sizeof(app->message), text, strlen(text), false, NULL);
    app->message_role = role;
    app->message_until = uv_now(app->loop) + duration;
    app_dirty(app);
}

void app_message(struct app *app, enum role role, const char *format, ...)
{
    char text[sizeof(app->message)];
    va_list args;

    if (app->message[0] && uv_now(app->loop) < app->message_firm)
        return;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    set(app, role, text, MESSAGE_MS);
}

void app_notice(struct app *app, enum role role, const char *text, char *details)
{
    char *whole = details ? mem_printf("%s (Enter: more)", text) : mem_strdup(text);

    set(app, role, whole, NOTICE_MS);
    app->message_firm = uv_now(app->loop) + FIRM_MS;
    app->message_details = details;
    free(whole);
}

/* What lies under an overlay could not be read: its time begins when the overlay is gone. */
void message_expire(struct app *app)
{
    uint64_t now = uv_now(app->loop);

    if (!app->message[0])
        return;
    if (app->overlay_count && app->message_firm) {
        app->message_firm = now + FIRM_MS;
        app->message_until = now + NOTICE_MS;
    }
    if (now >= app->message_until)
        message_clear(app);
}

bool message_key(struct app *app, uint32_t key)
{
    if (!app->message[0] || (app->overlay_count && app->message_firm))
        return false;
    if (key == KEYCODE_ENTER && app->message_details && !app->overlay_count) {
        app_push(app, pager_new("Details", text_clean(app->message_details, true)));
        message_clear(app);
        return true;
    }
    if (uv_now(app->loop) >= app->message_firm)
        message_clear(app);
    return false;
}

void message_draw(const struct app *app, int y, int columns)
{
    int rows = overlay_text_lines(app->message, columns - 2);
    struct rect area;

    rows = rows < MESSAGE_ROWS ? rows : MESSAGE_ROWS;
    area = (struct rect){y - rows + 1, 0, rows, columns};
    draw_fill(area, ROLE_KEY_TEXT);
    overlay_text(app->message, (struct rect){area.y, 1, rows, columns - 2}, 0, app->message_role);
}
