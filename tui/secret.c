#include "tui/ask.h"

#include "backend/base/mem.h"

#include <stdlib.h>
#include <string.h>

#define HOLD_MS 400U

struct secret {
    struct overlay overlay;
    char *title, *text, *secret;
    bool copied;
    void (*copy)(void *context, const char *secret);
    void *copy_context;
};

static void draw(struct overlay *overlay, struct rect screen)
{
    const struct secret *of = (const struct secret *)overlay;
    int width = screen.w - 6 < 72 ? screen.w - 6 : 72;
    int lines = overlay_text_lines(of->text, width);
    struct rect in = overlay_box(screen, lines + 4, width, of->title);

    overlay_text(of->text, in, 0, ROLE_DIALOG);
    draw_fill((struct rect){in.y + lines + 1, in.x, 1, in.w}, ROLE_INPUT);
    draw_text(in.y + lines + 1, in.x + 1, in.w - 2, ROLE_INPUT, of->secret);
    draw_text(in.y + lines + 3, in.x, in.w, ROLE_WARNING,
              !overlay->armed ? ""
              : of->copied    ? "Copied to the terminal's clipboard.  Esc: close"
                              : "It is not shown again.  y: copy it   Esc: close");
}

/* Enter does nothing: it may have been on its way, and what is shown once must not be missed. */
static enum overlay_result key(struct overlay *overlay, uint32_t code, const struct input *input)
{
    struct secret *of = (struct secret *)overlay;

    (void)input;
    if (!overlay->armed)
        return OVERLAY_STAYS;
    if (code == 'y') {
        of->copy(of->copy_context, of->secret);
        of->copied = true;
    }
    return code == KEYCODE_ESC || code == 'q' ? OVERLAY_CLOSES : OVERLAY_STAYS;
}

static void destroy(struct overlay *overlay)
{
    struct secret *of = (struct secret *)overlay;

    mem_free_secret(of->secret, strlen(of->secret));
    free(of->title);
    free(of->text);
    free(of);
}

static const struct overlay_class secret_class = {
    .keys = "y copy  Esc close", .draw = draw, .key = key, .free = destroy};

struct overlay *secret_new(const char *title, char *text, char *secret,
                           void (*copy)(void *context, const char *secret), void *context)
{
    struct secret *of = mem_zalloc(sizeof(*of));

    of->overlay.class = &secret_class;
    of->overlay.careful = true;
    of->overlay.hold = HOLD_MS;
    of->title = mem_strdup(title);
    of->text = text;
    of->secret = secret;
    of->copy = copy;
    of->copy_context = context;
    return &of->overlay;
}
