/* The little of the tar format that an engine's answer needs. */
#include "backend/container_parse.h"

#include <string.h>

enum { BLOCK = 512, SIZE_AT = 124, SIZE_LEN = 12, SUM_AT = 148, SUM_LEN = 8, TYPE_AT = 156 };

/* Octal digits, up to a blank or a 0 byte; GNU's base 256 for what is larger. False: neither. */
static bool read_number(const char *field, size_t len, uint64_t *number)
{
    size_t i = 0;

    *number = 0;
    if ((unsigned char)*field == 0x80) {
        for (i = len - 8; i < len; i++)
            *number = *number << 8 | (unsigned char)field[i];
        return true;
    }
    while (i < len && field[i] == ' ')
        i++;
    if (i == len || field[i] < '0' || field[i] > '7')
        return false;
    for (; i < len && field[i] >= '0' && field[i] <= '7'; i++)
        *number = *number << 3 | (uint64_t)(field[i] - '0');
    return i == len || field[i] == ' ' || field[i] == 0;
}

static bool sum_is_right(const char *header)
{
    uint64_t sum = 0, told;

    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= SUM_AT && i < SUM_AT + SUM_LEN ? ' ' : (unsigned char)header[i];
    return read_number(header + SUM_AT, SUM_LEN, &told) && told == sum;
}

bool container_parse_archive(const char *bytes, size_t len, const char **from, size_t *size)
{
    size_t at = 0;

    while (len - at >= BLOCK) {
        const char *header = bytes + at;
        uint64_t content;

        if (!sum_is_right(header) || !read_number(header + SIZE_AT, SIZE_LEN, &content))
            return false;
        at += BLOCK;
        if (content > len - at)
            return false;
        if (header[TYPE_AT] == '0' || header[TYPE_AT] == 0 || header[TYPE_AT] == '7') {
            *from = bytes + at;
            *size = (size_t)content;
            return true;
        }
        content = (content + BLOCK - 1) / BLOCK * BLOCK; /* of a long name, of extended headers */
        if (content > len - at)
            return false;
        at += (size_t)content;
    }
    return false;
}
