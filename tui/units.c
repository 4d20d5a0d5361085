#include "tui/text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static char *absent(char *out)
{
    snprintf(out, TEXT_UNIT_SIZE, "%s", text_symbol(SYMBOL_ABSENT));
    return out;
}

/* value (at least 0) in the largest unit that keeps it under step, in at most 5 columns. */
static char *scaled(char *out, double value, double step)
{
    static const char units[] = "kMGTPEZY";
    size_t unit = 0;

    value = fabs(value); /* no -0 */
    if (round(value) < step) {
        snprintf(out, TEXT_UNIT_SIZE, "%.0f", value);
        return out;
    }
    value /= step;
    while (round(value) >= step && units[unit + 1]) {
        value /= step;
        unit++;
    }
    if (round(value) >= step)
        snprintf(out, TEXT_UNIT_SIZE, ">999%c", units[unit]);
    else
        snprintf(out, TEXT_UNIT_SIZE, "%.*f%c", value < 99.95 ? 1 : 0, value, units[unit]);
    return out;
}

char *text_bytes(char *out, double bytes)
{
    return bytes >= 0 ? scaled(out, bytes, 1024) : absent(out);
}

char *text_count(char *out, double count)
{
    return count >= 0 ? scaled(out, count, 1000) : absent(out);
}

char *text_integer(char *out, int64_t value)
{
    snprintf(out, TEXT_UNIT_SIZE, "%" PRId64, value);
    return out;
}

char *text_rate(char *out, double per_second)
{
    if (!(per_second >= 0))
        return absent(out);
    if (per_second == 0 || per_second >= 9.95)
        return scaled(out, per_second, 1000);
    snprintf(out, TEXT_UNIT_SIZE, "%.1f", per_second);
    return out;
}

char *text_percent(char *out, double fraction)
{
    double percent = fraction * 100;

    if (!(fraction >= 0))
        return absent(out);
    if (fraction == 0 || percent >= 1e6) {
        snprintf(out, TEXT_UNIT_SIZE, percent > 0 ? ">999k%%" : "0%%");
    } else if (fraction < 1) { /* only a whole is 100 % */
        snprintf(out, TEXT_UNIT_SIZE, "%.1f%%", percent < 99.9 ? percent : 99.9);
    } else {
        snprintf(out, TEXT_UNIT_SIZE, "%.0f%%", percent);
    }
    return out;
}

static void under_a_minute(char *out, double seconds)
{
    if (seconds >= 1 || seconds == 0)
        snprintf(out, TEXT_UNIT_SIZE, "%ds", (int)seconds);
    else if (seconds >= 0.01)
        snprintf(out, TEXT_UNIT_SIZE, "%.2fs", seconds < 0.99 ? seconds : 0.99);
    else if (seconds >= 0.001)
        snprintf(out, TEXT_UNIT_SIZE, "%dms", (int)(seconds * 1000));
    else
        snprintf(out, TEXT_UNIT_SIZE, "<1ms");
}

char *text_duration(char *out, double seconds)
{
    int64_t whole;

    if (!(seconds >= 0))
        return absent(out);
    if (seconds < 60) {
        under_a_minute(out, seconds);
        return out;
    }
    whole = seconds < 1e12 ? (int64_t)seconds : (int64_t)1e12;
    if (whole < 3600)
        snprintf(out, TEXT_UNIT_SIZE, "%dm%02ds", (int)(whole / 60), (int)(whole % 60));
    else if (whole < 86400)
        snprintf(out, TEXT_UNIT_SIZE, "%dh%02dm", (int)(whole / 3600), (int)(whole % 3600 / 60));
    else if (whole < INT64_C(100) * 86400)
        snprintf(out, TEXT_UNIT_SIZE, "%dd%dh", (int)(whole / 86400), (int)(whole % 86400 / 3600));
    else if (whole < INT64_C(99999) * 86400)
        snprintf(out, TEXT_UNIT_SIZE, "%dd", (int)(whole / 86400));
    else
        snprintf(out, TEXT_UNIT_SIZE, ">273y");
    return out;
}

char *text_clock(char *out, double wall)
{
    struct tm tm;
    time_t seconds;

    if (!(wall >= 0 && wall < 1e11))
        return absent(out);
    seconds = (time_t)wall;
    if (!localtime_r(&seconds, &tm) || !strftime(out, TEXT_UNIT_SIZE, "%H:%M:%S", &tm))
        return absent(out);
    return out;
}
