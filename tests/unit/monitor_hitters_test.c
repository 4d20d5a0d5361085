/* The sketch of what comes most often, against true counts. */
#include "backend/base/mem.h"
#include "backend/monitor_hitters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Texts are numbers: what the table says, and what is true. */
struct subject {
    struct hitters h;
    uint32_t texts;
    uint64_t *counts, *said;
};

static void set_up(struct subject *s, uint32_t slots, uint32_t texts)
{
    *s = (struct subject){.texts = texts};
    hitters_init(&s->h, slots);
    s->counts = mem_zalloc(texts * sizeof(*s->counts));
    s->said = mem_zalloc(texts * sizeof(*s->said));
}

static void tear_down(struct subject *s)
{
    hitters_free(&s->h);
    free(s->counts);
    free(s->said);
}

/* False: it was turned away. */
static bool add(struct subject *s, uint32_t number, uint64_t weight)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "key:%u", number);

    assert_true(number < s->texts);
    s->counts[number] += weight;
    return hitters_add(&s->h, hitters_hash(text, (size_t)len), text, (size_t)len, weight, 1);
}

static uint32_t number_of(const struct subject *s, const struct hitter *hitter)
{
    size_t len;
    const char *text = hitters_text(&s->h, hitter, &len);
    char copy[16] = "";
    uint32_t number;

    assert_true(len < sizeof(copy));
    memcpy(copy, text, len);
    assert_int_equal(sscanf(copy, "key:%u", &number), 1);
    assert_true(number < s->texts);
    return number;
}

/* Of every text, listed or not: its count is not too high, and too low by at most the error. */
static void check_bound(struct subject *s)
{
    const struct hitter **top = mem_array(NULL, s->h.limit, sizeof(const struct hitter *));
    const size_t count = hitters_top(&s->h, top, s->h.limit);
    uint64_t total = 0;

    assert_int_equal(count, s->h.used);
    assert_true(s->h.used <= s->h.limit);
    memset(s->said, 0, s->texts * sizeof(*s->said));
    for (size_t i = 0; i < count; i++) {
        uint64_t *said = &s->said[number_of(s, top[i])];

        assert_true(i == 0 || top[i]->count <= top[i - 1]->count);
        assert_int_equal(*said, 0); /* none is listed twice */
        *said = top[i]->count;
    }
    for (uint32_t i = 0; i < s->texts; i++) {
        total += s->counts[i];
        if (s->said[i] > s->counts[i] || s->counts[i] - s->said[i] > s->h.error)
            fail_msg("text %u: said %u, true %u, error %u", i, (unsigned)s->said[i],
                     (unsigned)s->counts[i], (unsigned)s->h.error);
    }
    assert_int_equal(s->h.total, total);
    free(top);
}

/* Half of the stream is of eight texts, the rest of very many. */
static void check_stream(bool sifts, uint64_t weight)
{
    enum { TEXTS = 20000, HEAVY = 8, ROUNDS = 100000, STEP = ROUNDS / 20, CLOSELY = 100 };
    struct subject s;
    uint64_t error = 0;
    uint32_t seed = 1, purges = 0;

    set_up(&s, 256, TEXTS);
    if (sifts)
        hitters_sift(&s.h);
    for (int i = 0; i < ROUNDS; i++) {
        seed = seed * 1664525U + 1013904223U;
        add(&s, seed >> 8 & 1 ? (seed >> 16) % HEAVY : (seed >> 10) % TEXTS,
            weight + (seed >> 20) % weight);
        purges += s.h.error > error;
        if (i % STEP == STEP - 1 || (s.h.error > error && purges < CLOSELY))
            check_bound(&s);
        error = s.h.error;
    }
    assert_true(s.h.error > 0);
    assert_true(s.h.error < s.h.total / (sifts ? 300 : 90));
    for (uint32_t i = 0; i < HEAVY; i++)
        assert_true(s.said[i] > ROUNDS / HEAVY / 4);
    tear_down(&s);
}

static void test_bound(void **state)
{
    (void)state;
    check_stream(false, 1);
}

static void test_bound_of_weights(void **state)
{
    (void)state;
    check_stream(false, 1000);
}

static void test_bound_of_sifting(void **state)
{
    (void)state;
    check_stream(true, 1);
}

/* One text too many takes 1 off all: who had 2 is still there. */
static void test_only_what_has_nothing_left_goes(void **state)
{
    struct subject s;
    uint32_t half, next;

    (void)state;
    set_up(&s, 256, 256);
    half = s.h.limit / 2;
    for (next = 0; next < s.h.limit; next++)
        add(&s, next, next <= half ? 1 : 2);
    assert_int_equal(s.h.error, 0);
    check_bound(&s);
    add(&s, next, 1);
    assert_int_equal(s.h.error, 1);
    check_bound(&s);
    assert_int_equal(s.h.used, s.h.limit - half);
    tear_down(&s);
}

/* The table is large enough for all that is let in by chance, and so is never purged: all that is
 * lost is what was turned away. What comes once in each age loses that each time, and the bound must
 * say so. */
static void test_turned_away_is_in_the_bound(void **state)
{
    enum { AGES = 6, RARE = 200, AGE = HITTERS_SIFT_BITS / 4, SLOTS = 1 << 17, FIRST = SLOTS };
    struct subject s;
    uint32_t next = RARE, away, always = 0;

    (void)state;
    set_up(&s, SLOTS, RARE + FIRST + 2 * AGES * AGE);
    hitters_sift(&s.h);
    while (s.h.error == 0)
        add(&s, next++, 1);
    assert_int_equal(s.h.error, 1);
    for (int age = 0; age < AGES; age++) {
        for (away = 0; away == 0;) /* the first begins the age */
            away += !add(&s, next++, 1);
        for (uint32_t i = 0; i < RARE; i++)
            away += !add(&s, i, 1);
        while (away < AGE)
            away += !add(&s, next++, 1);
        assert_int_equal(away, AGE);
    }
    check_bound(&s);
    assert_int_equal(s.h.error, 1 + AGES);
    for (uint32_t i = 0; i < RARE; i++)
        always += s.counts[i] == AGES && s.said[i] == 0;
    assert_true(always > RARE / 4);
    tear_down(&s);
}

/* What is taken off a count takes its share of the bytes: a mean stays what it was. */
static void test_bytes_go_with_counts(void **state)
{
    struct hitters hitters;
    const struct hitter *top[1];

    (void)state;
    hitters_init(&hitters, 16);
    for (int i = 0; i < 1000; i++) {
        char other[16];

        snprintf(other, sizeof(other), "%d", i);
        hitters_add(&hitters, hitters_hash("often", 5), "often", 5, 1, 100);
        hitters_add(&hitters, hitters_hash(other, strlen(other)), other, strlen(other), 1, 7);
    }
    assert_int_equal(hitters_top(&hitters, top, 1), 1);
    assert_true(hitters.error > 0);
    assert_true(top[0]->count < 1000);
    assert_true(top[0]->bytes <= 100 * top[0]->count);
    assert_true(top[0]->bytes + hitters.error >= 100 * top[0]->count);
    hitters_free(&hitters);
}

static void test_hash_takes_every_byte(void **state)
{
    char text[40] = "";

    (void)state;
    for (size_t len = 1; len < sizeof(text); len++) {
        uint64_t before;

        memset(text, 'a', len);
        before = hitters_hash(text, len);
        for (size_t i = 0; i < len; i++) {
            text[i] = 'b';
            if (hitters_hash(text, len) == before)
                fail_msg("byte %zu of %zu does not count", i, len);
            text[i] = 'a';
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_bound_of_weights),
        cmocka_unit_test(test_bound_of_sifting),
        cmocka_unit_test(test_only_what_has_nothing_left_goes),
        cmocka_unit_test(test_turned_away_is_in_the_bound),
        cmocka_unit_test(test_bytes_go_with_counts),
        cmocka_unit_test(test_hash_takes_every_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
