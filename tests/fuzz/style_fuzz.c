#include "tui/theme.h"
#include "tui/theme_color.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_colour(int colour, int colours)
{
    if (colour < -1 || colour >= colours)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int depths[] = {8, 16, 88, 256, 1 << 24};
    char *text = malloc(size + 1), *error;
    struct style style;

    memcpy(text, data, size);
    text[size] = '\0';
    if (style_parse(text, &style, &error)) {
        for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
            struct style fitted = style_fit(&style, depths[i]);

            check_colour(fitted.fg, depths[i]);
            check_colour(fitted.bg, depths[i]);
        }
    } else if (!*error) {
        abort();
    }
    free(error);
    free(text);
    return 0;
}
