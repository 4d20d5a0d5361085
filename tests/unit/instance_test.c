/* The states that both kinds of instances share, with a kind whose server is the test. */
#include "backend/base/mem.h"
#include "backend/instance_impl.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ALWAYS, EXTRA, KINDS_SOURCES };

struct subject {
    uv_loop_t loop;
    uv_timer_t ticker; /* so that no turn of the loop takes long */
    struct instance_impl *impl;
    unsigned connects, drops, polls, polled, changes;
    bool all, given_up, answers, closed;
};

/* A kind's struct as real ones are made. */
struct fake {
    struct instance_impl impl; /* first */
    struct subject *subject;
};

static struct subject *subject_of(struct instance_impl *impl)
{
    return ((struct fake *)impl)->subject;
}

static void do_connect(struct instance_impl *impl)
{
    subject_of(impl)->connects++;
}

static void do_poll(struct instance_impl *impl, unsigned sources, bool all)
{
    struct subject *s = subject_of(impl);

    s->polls++;
    s->polled = sources;
    s->all = all;
    for (unsigned i = 0; i < KINDS_SOURCES; i++) {
        if (sources & SOURCE_BIT(i))
            instance_asked(impl, i);
        if (s->answers && (sources & SOURCE_BIT(i)))
            instance_answered(impl, i, NULL);
    }
}

static void do_disconnect(struct instance_impl *impl, bool given_up)
{
    subject_of(impl)->drops++;
    subject_of(impl)->given_up = given_up;
}

static void do_close(struct instance_impl *impl)
{
    (void)impl;
}

static void do_destroy(struct instance_impl *impl)
{
    free(impl);
}

static const struct instance_ops ops = {
    .always = SOURCE_BIT(ALWAYS),
    .sources = SOURCE_BIT(ALWAYS) | SOURCE_BIT(EXTRA),
    .connect = do_connect,
    .poll = do_poll,
    .disconnect = do_disconnect,
    .close = do_close,
    .destroy = do_destroy,
};

static void on_change(void *context)
{
    struct subject *s = context;

    s->changes++;
}

static void on_ticker(uv_timer_t *timer)
{
    (void)timer;
}

static void set_up(struct subject *s)
{
    struct fake *fake = mem_zalloc(sizeof(*fake));
    struct instance_setup setup = {.interval = 1.0, .changed = on_change, .context = s};

    *s = (struct subject){.impl = &fake->impl};
    uv_loop_init(&s->loop);
    uv_timer_init(&s->loop, &s->ticker);
    uv_timer_start(&s->ticker, on_ticker, 2, 2);
    setup.loop = &s->loop;
    fake->subject = s;
    instance_init(&fake->impl, &setup, INSTANCE_REDIS, "fake", &ops, REDIS_METRICS);
}

static void on_closed(void *context)
{
    struct subject *s = context;

    s->closed = true;
}

static void tear_down(struct subject *s)
{
    uv_close((uv_handle_t *)&s->ticker, NULL);
    instance_close(s->impl, on_closed, s);
    assert_false(s->closed);
    uv_run(&s->loop, UV_RUN_DEFAULT);
    assert_true(s->closed);
    assert_int_equal(uv_loop_close(&s->loop), 0);
}

/* Turns the loop until its timer has fired. */
static void pass(struct subject *s, enum instance_state until)
{
    for (int i = 0; i < 2000 && s->impl->pub.state != until; i++)
        uv_run(&s->loop, UV_RUN_ONCE);
    assert_int_equal(s->impl->pub.state, until);
}

/* Makes the deadline come now, without the wait for it. */
static void hurry(struct subject *s)
{
    const uint64_t now = uv_now(&s->loop);

    s->impl->due = now;
    uv_timer_start(&s->impl->timer, s->impl->timer.timer_cb, 0, 0);
}

static void it_comes_up_and_polls_at_once(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    instance_start(s.impl);
    assert_int_equal(s.connects, 1);
    assert_int_equal(s.impl->pub.state, INSTANCE_CONNECTING);
    instance_tick(s.impl);
    assert_int_equal(s.polls, 0);
    instance_connected(s.impl);
    assert_int_equal(s.impl->pub.state, INSTANCE_UP);
    assert_int_equal(s.impl->pub.generation, 1);
    assert_int_equal(s.polls, 1);
    assert_int_equal(s.polled, SOURCE_BIT(ALWAYS));
    assert_true(s.all);
    assert_int_equal(instance_pending(s.impl), 1);
    assert_false(s.impl->pub.answered);
    instance_answered(s.impl, ALWAYS, NULL);
    assert_true(s.impl->pub.answered);
    assert_int_equal(instance_pending(s.impl), 0);
    tear_down(&s);
    assert_int_equal(s.drops, 1);
}

static void requests_do_not_pile_up(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    instance_start(s.impl);
    instance_connected(s.impl);
    instance_tick(s.impl);
    instance_refresh(s.impl);
    assert_int_equal(s.polls, 1);
    instance_want(s.impl, SOURCE_BIT(EXTRA) | 1U << 16);
    assert_int_equal(s.polls, 2);
    assert_int_equal(s.polled, SOURCE_BIT(EXTRA) | 1U << 16);
    assert_true(s.all);
    instance_answered(s.impl, ALWAYS, NULL);
    instance_answered(s.impl, EXTRA, "permission denied");
    assert_string_equal(s.impl->pub.source_error[EXTRA], "permission denied");
    instance_tick(s.impl);
    assert_int_equal(s.polls, 3);
    assert_int_equal(s.polled, SOURCE_BIT(ALWAYS) | SOURCE_BIT(EXTRA) | 1U << 16);
    assert_false(s.all);
    tear_down(&s);
}

static void silence_makes_it_stale_then_lost(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    instance_start(s.impl);
    instance_connected(s.impl);
    hurry(&s);
    pass(&s, INSTANCE_STALE);
    assert_int_equal(instance_pending(s.impl), 0);
    instance_tick(s.impl);
    assert_int_equal(s.polls, 1);
    instance_answered(s.impl, ALWAYS, NULL);
    assert_int_equal(s.impl->pub.state, INSTANCE_UP);
    instance_tick(s.impl);
    hurry(&s);
    pass(&s, INSTANCE_STALE);
    hurry(&s);
    pass(&s, INSTANCE_DOWN);
    assert_true(s.given_up);
    assert_non_null(s.impl->pub.error);
    assert_int_equal(instance_pending(s.impl), 0);
    tear_down(&s);
}

/* The loop itself stood still: the server is not to blame, and its answers may lie there unread. */
static void a_late_loop_blames_nobody(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    instance_start(s.impl);
    instance_connected(s.impl);
    s.impl->due = uv_now(&s.loop) - 1000;
    uv_timer_start(&s.impl->timer, s.impl->timer.timer_cb, 0, 0);
    uv_run(&s.loop, UV_RUN_ONCE);
    assert_int_equal(s.impl->pub.state, INSTANCE_UP);
    assert_true(s.impl->due > uv_now(&s.loop));
    tear_down(&s);
}

static void tries_are_spaced_and_capped(void **state)
{
    static const uint64_t most[] = {250, 500, 1000, 2000, 2000, 2000};
    struct subject s;

    (void)state;
    set_up(&s);
    instance_start(s.impl);
    for (int i = 0; i < 6; i++) {
        uint64_t wait;

        instance_lost(s.impl, "refused", "start it");
        wait = s.impl->pub.retry_at - uv_now(&s.loop);
        assert_in_range(wait, most[i] * 3 / 4, most[i]);
        assert_true(s.impl->pub.answered);
        instance_refresh(s.impl); /* does not wait */
        assert_int_equal(s.impl->pub.state, INSTANCE_CONNECTING);
        assert_int_equal(s.impl->pub.retry_at, 0);
        assert_string_equal(s.impl->pub.error, "refused");
    }
    s.answers = true;
    instance_connected(s.impl);
    assert_null(s.impl->pub.error);
    assert_null(s.impl->pub.hint);
    instance_lost(s.impl, "gone", NULL);
    assert_in_range(s.impl->pub.retry_at - uv_now(&s.loop), 187, 250);
    instance_lost(s.impl, "again", NULL);
    assert_string_equal(s.impl->pub.error, "gone");
    tear_down(&s);
}

static void a_silent_attempt_ends(void **state)
{
    struct subject s;

    (void)state;
    set_up(&s);
    instance_start(s.impl);
    hurry(&s);
    pass(&s, INSTANCE_DOWN);
    assert_int_equal(s.drops, 1);
    pass(&s, INSTANCE_CONNECTING);
    assert_int_equal(s.connects, 2);
    tear_down(&s);
}

static void ticks_without_an_answer_are_gaps(void **state)
{
    const float sample[REDIS_METRICS] = {1};
    struct subject s;
    float value;

    (void)state;
    set_up(&s);
    instance_start(s.impl);
    instance_tick(s.impl);
    assert_int_equal(history_count(s.impl->pub.history), 0);
    instance_connected(s.impl);
    instance_answered(s.impl, ALWAYS, NULL);
    instance_push_history(s.impl, sample);
    instance_tick(s.impl);
    assert_int_equal(history_count(s.impl->pub.history), 1);
    instance_tick(s.impl);
    assert_int_equal(history_count(s.impl->pub.history), 2);
    instance_lost(s.impl, "gone", NULL);
    instance_tick(s.impl);
    assert_int_equal(history_count(s.impl->pub.history), 3);
    history_last(s.impl->pub.history, 0, &value, 1);
    assert_true(isnan(value));
    tear_down(&s);
}

static void strings_are_replaced(void **state)
{
    char *slot = NULL;

    (void)state;
    assert_false(instance_set(&slot, NULL));
    assert_true(instance_set(&slot, "a"));
    assert_false(instance_set(&slot, "a"));
    assert_true(instance_set(&slot, "b"));
    assert_string_equal(slot, "b");
    assert_true(instance_set(&slot, NULL));
    assert_null(slot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_comes_up_and_polls_at_once),
        cmocka_unit_test(requests_do_not_pile_up),
        cmocka_unit_test(silence_makes_it_stale_then_lost),
        cmocka_unit_test(a_late_loop_blames_nobody),
        cmocka_unit_test(tries_are_spaced_and_capped),
        cmocka_unit_test(a_silent_attempt_ends),
        cmocka_unit_test(ticks_without_an_answer_are_gaps),
        cmocka_unit_test(strings_are_replaced),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
