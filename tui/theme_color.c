#include "tui/theme_color.h"

#include "backend/base/mem.h"

#include <stdlib.h>
#include <string.h>

/* ---- from text ---- */

static const char *const colour_names[] = {
    "black",        "red",           "green",       "yellow",         "blue",
    "magenta",      "cyan",          "white",       "bright-black",   "bright-red",
    "bright-green", "bright-yellow", "bright-blue", "bright-magenta", "bright-cyan",
    "bright-white",
};

static const struct {
    const char *name;
    unsigned attribute;
} attribute_names[] = {
    {"bold", STYLE_BOLD},           {"dim", STYLE_DIM},         {"italic", STYLE_ITALIC},
    {"underline", STYLE_UNDERLINE}, {"reverse", STYLE_REVERSE},
};

static bool number_in(const char *word, int base, size_t digits, long most, long *value)
{
    static const char valid[] = "0123456789abcdefABCDEF";
    size_t len = strspn(word, valid);

    if (!len || word[len] || len > digits || (base == 10 && strspn(word, "0123456789") != len))
        return false;
    *value = strtol(word, NULL, base);
    return *value <= most;
}

static bool colour_of(const char *word, int *colour)
{
    long value;

    if (!strcmp(word, "default")) {
        *colour = -1;
        return true;
    }
    for (size_t i = 0; i < sizeof colour_names / sizeof *colour_names; i++)
        if (!strcmp(word, colour_names[i])) {
            *colour = (int)i;
            return true;
        }
    if (word[0] == '#' && strlen(word) == 7 && number_in(word + 1, 16, 6, 0xFFFFFF, &value)) {
        *colour = THEME_RGB | (int)value;
        return true;
    }
    if (!number_in(word, 10, 3, 255, &value))
        return false;
    *colour = (int)value;
    return true;
}

static unsigned attribute_of(const char *word)
{
    for (size_t i = 0; i < sizeof attribute_names / sizeof *attribute_names; i++)
        if (!strcmp(word, attribute_names[i].name))
            return attribute_names[i].attribute;
    return 0;
}

/* Where the next word goes. */
enum place { FOREGROUND, AFTER_FOREGROUND, BACKGROUND, END };

static char *word_fault(const char *word, enum place place)
{
    int colour;

    if (place == END)
        return mem_printf("'%.40s' stands after the background; put it before 'on'", word);
    if (place == BACKGROUND)
        return mem_printf("'%.40s' is no colour; after 'on' give a name, 0 to 255 or #rrggbb",
                          word);
    if (colour_of(word, &colour))
        return mem_printf("'%.40s' is a second foreground; a background comes after 'on'", word);
    return mem_printf("'%.40s' is neither an attribute (bold dim italic underline reverse) nor a "
                      "colour (a name such as red or bright-red, 0 to 255, #rrggbb)",
                      word);
}

static bool take_word(const char *word, struct style *style, enum place *place)
{
    unsigned attribute = attribute_of(word);

    if (*place == BACKGROUND) {
        *place = END;
        return colour_of(word, &style->bg);
    }
    if (*place == END)
        return false;
    if (!strcmp(word, "on")) {
        *place = BACKGROUND;
        return true;
    }
    if (attribute) {
        style->attributes |= attribute;
        return true;
    }
    if (*place != FOREGROUND || !colour_of(word, &style->fg))
        return false;
    *place = AFTER_FOREGROUND;
    return true;
}

bool style_parse(const char *text, struct style *style, char **error)
{
    char *copy = mem_strdup(text), *rest = NULL;
    enum place place = FOREGROUND;

    *style = (struct style){.fg = -1, .bg = -1};
    *error = NULL;
    for (char *word = strtok_r(copy, " \t\r\n", &rest); word && !*error;
         word = strtok_r(NULL, " \t\r\n", &rest)) {
        enum place before = place;

        if (!take_word(word, style, &place))
            *error = word_fault(word, before);
    }
    if (!*error && place == BACKGROUND)
        *error = mem_strdup("no colour after 'on'; give a name, 0 to 255 or #rrggbb");
    free(copy);
    return !*error;
}

/* ---- to a terminal ---- */

static const int levels[] = {0x00, 0x5F, 0x87, 0xAF, 0xD7, 0xFF};

static int rgb(int red, int green, int blue)
{
    return red << 16 | green << 8 | blue;
}

/* What a colour number of xterm looks like (0 to 15: as they come). */
static int indexed_rgb(int index)
{
    static const int first[] = {
        0x000000, 0xCD0000, 0x00CD00, 0xCDCD00, 0x0000EE, 0xCD00CD, 0x00CDCD, 0xE5E5E5,
        0x7F7F7F, 0xFF0000, 0x00FF00, 0xFFFF00, 0x5C5CFF, 0xFF00FF, 0x00FFFF, 0xFFFFFF,
    };
    int grey = 8 + 10 * (index - 232);

    if (index < 16)
        return first[index];
    if (index >= 232)
        return rgb(grey, grey, grey);
    index -= 16;
    return rgb(levels[index / 36], levels[index / 6 % 6], levels[index % 6]);
}

static int distance(int a, int b)
{
    int red = (a >> 16) - (b >> 16), green = (a >> 8 & 0xFF) - (b >> 8 & 0xFF);
    int blue = (a & 0xFF) - (b & 0xFF);

    return 3 * red * red + 4 * green * green + 2 * blue * blue;
}

static int nearest_level(int value)
{
    int best = 0;

    for (int i = 1; i < 6; i++)
        if (abs(levels[i] - value) < abs(levels[best] - value))
            best = i;
    return best;
}

/* Only the cube and the greys: what 0 to 15 look like is the user's choice. */
static int nearest_256(int colour)
{
    int red = colour >> 16, green = colour >> 8 & 0xFF, blue = colour & 0xFF;
    int cube = 16 + 36 * nearest_level(red) + 6 * nearest_level(green) + nearest_level(blue);
    int step = ((red + green + blue) / 3 - 3) / 10;
    int grey = 232 + (step < 0 ? 0 : step > 23 ? 23 : step);

    return distance(indexed_rgb(grey), colour) < distance(indexed_rgb(cube), colour) ? grey : cube;
}

static int largest(int a, int b, int c)
{
    int most = a > b ? a : b;

    return most > c ? most : c;
}

/* Hue of a colour with a spread of more than 0, in degrees. */
static int hue(int red, int green, int blue, int most, int spread)
{
    if (most == red)
        return (60 * (green - blue) / spread + 360) % 360;
    if (most == green)
        return 120 + 60 * (blue - red) / spread;
    return 240 + 60 * (red - green) / spread;
}

/* One of the 16 colours; greys by lightness, others by hue. */
static int nearest_16(int colour)
{
    static const struct {
        short below;
        short index;
    } hues[] = {{20, 1}, {75, 3}, {160, 2}, {200, 6}, {255, 4}, {340, 5}, {361, 1}};
    int red = colour >> 16, green = colour >> 8 & 0xFF, blue = colour & 0xFF;
    int most = largest(red, green, blue), least = 255 - largest(255 - red, 255 - green, 255 - blue);
    size_t i = 0;

    if (most - least < 40) {
        static const int greys[] = {0, 8, 7, 15};

        return greys[most < 0x48 ? 0 : most < 0xA0 ? 1 : most < 0xE8 ? 2 : 3];
    }
    while (hue(red, green, blue, most, most - least) >= hues[i].below)
        i++;
    return hues[i].index + (most > 0xCF ? 8 : 0);
}

static int to_16(int colour)
{
    if (colour < 16)
        return colour;
    return nearest_16(colour & THEME_RGB ? colour & 0xFFFFFF : indexed_rgb(colour));
}

/* Of 8 colours, with bold and dim for the bright ones. */
static void brightness_to_attributes(struct style *style)
{
    if (style->fg == 8) {
        style->fg = -1;
        style->attributes |= STYLE_DIM;
    } else if (style->fg > 8) {
        style->fg -= 8;
        style->attributes |= STYLE_BOLD;
    }
}

static bool is_black(int colour)
{
    return colour == 0 || colour == 16 || colour == THEME_RGB;
}

/* Black or white, whichever is read on a background of 0 to 7. */
static int legible(int fg, int bg)
{
    static const bool dark[] = {true, true, false, false, true, true, false, false};

    if (fg != bg && fg != 0 && fg != 7 && fg != 15)
        return fg;
    return !dark[bg] ? 0 : fg == 15 ? 15 : 7;
}

static struct style fit_few(const struct style *style, int colours)
{
    struct style fitted = {
        .fg = to_16(style->fg), .bg = to_16(style->bg), .attributes = style->attributes};

    if (fitted.bg >= 8)
        fitted.bg -= 8; /* bright backgrounds blink on some terminals */
    if (fitted.bg == 0 && !is_black(style->bg)) {
        /* A shade of black: on most terminals that is no background at all. */
        fitted.bg = -1;
        fitted.attributes ^= STYLE_REVERSE;
    } else if (fitted.bg >= 0 && fitted.fg >= 0 && (style->bg >= 16 || style->fg >= 16)) {
        fitted.fg = legible(fitted.fg, fitted.bg);
    }
    if (colours < 16)
        brightness_to_attributes(&fitted);
    return fitted;
}

static int to_direct(int colour)
{
    int value;

    if (colour < 8)
        return colour;
    value = colour & THEME_RGB ? colour & 0xFFFFFF : indexed_rgb(colour);
    return value < 8 ? 8 : value; /* 0 to 7 are indexed ones there too */
}

static int to_256(int colour)
{
    return colour >= 0 && colour & THEME_RGB ? nearest_256(colour & 0xFFFFFF) : colour;
}

struct style style_fit(const struct style *style, int colours)
{
    struct style fitted = *style;

    if (colours < 256)
        return fit_few(style, colours);
    fitted.fg = colours > 256 ? to_direct(style->fg) : to_256(style->fg);
    fitted.bg = colours > 256 ? to_direct(style->bg) : to_256(style->bg);
    return fitted;
}
