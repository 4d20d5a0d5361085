#include "tests/screen/engine_script.h"

#include "backend/base/mem.h"
#include "backend/base/strbuf.h"
#include "tests/unit/fake_engine.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONTAINERS_MAX 16
#define FOLLOWERS_MAX  32
#define EVENTS         "" /* the name that the followers of events have */

struct entry {
    struct script_container facts;
    char id[65];
    struct strbuf log; /* its frames */
};

struct follower {
    int fd; /* -1: free */
    char name[64];
};

struct engine_script {
    struct fake_engine *engine;
    bool rootless, mute;
    pthread_mutex_t lock;
    struct entry entries[CONTAINERS_MAX];
    unsigned count;
    struct follower followers[FOLLOWERS_MAX];
};

static const char *text_or(const char *text, const char *other)
{
    return text ? text : other;
}

static struct entry *find(struct engine_script *script, const char *name)
{
    for (unsigned i = 0; i < script->count; i++) {
        if (strcmp(script->entries[i].facts.name, name) == 0)
            return &script->entries[i];
    }
    return NULL;
}

static struct entry *find_id(struct engine_script *script, const char *path)
{
    for (unsigned i = 0; i < script->count; i++) {
        if (strncmp(path, script->entries[i].id, 64) == 0)
            return &script->entries[i];
    }
    return NULL;
}

static const char *stamp(long long seconds, char *out, size_t size)
{
    time_t when = (time_t)seconds;
    struct tm utc;

    gmtime_r(&when, &utc);
    strftime(out, size, "%Y-%m-%dT%H:%M:%S.000000000Z", &utc);
    return out;
}

/* ---- its answers ---- */

/* The id that the tag stands for. */
static void image_id(const char *image, char *out, size_t size)
{
    unsigned long hash = 5381;

    for (; *image; image++)
        hash = hash * 33 + (unsigned char)*image;
    snprintf(out, size, "sha256:%064lx", hash);
}

static void add_state(struct strbuf *out, const struct script_container *facts)
{
    bool running = strcmp(facts->state, "running") == 0;
    char started[40];

    strbuf_addf(out,
                "\"State\":{\"Status\":\"%s\",\"Running\":%s,\"Paused\":false,\"Restarting\":false,"
                "\"OOMKilled\":%s,\"Dead\":false,\"Pid\":%d,\"ExitCode\":%d,\"Error\":\"\","
                "\"StartedAt\":\"%s\",\"FinishedAt\":\"%s\"",
                facts->state, running ? "true" : "false", facts->oom_killed ? "true" : "false",
                running ? 999999999 : 0, facts->exit_code,
                stamp(facts->started, started, sizeof(started)),
                running ? "0001-01-01T00:00:00Z" : started);
    if (facts->health)
        strbuf_addf(out, ",\"Health\":{\"Status\":\"%s\",\"FailingStreak\":0,\"Log\":[]}",
                    facts->health);
    strbuf_addc(out, '}');
}

static void add_port(struct strbuf *out, const struct script_container *facts)
{
    if (facts->port && facts->published)
        strbuf_addf(out, "\"%d/tcp\":[{\"HostIp\":\"%s\",\"HostPort\":\"%d\"}]", facts->port,
                    text_or(facts->bind, "0.0.0.0"), facts->published);
    else if (facts->port)
        strbuf_addf(out, "\"%d/tcp\":null", facts->port);
}

static void add_inspect(struct strbuf *out, const struct entry *entry)
{
    const struct script_container *facts = &entry->facts;
    char created[40], image[96];

    image_id(facts->image, image, sizeof(image));
    strbuf_addf(out, "{\"Id\":\"%s\",\"Name\":\"/%s\",\"Created\":\"%s\",\"Image\":\"%s\",",
                entry->id, facts->name, stamp(facts->started - 60, created, sizeof(created)),
                text_or(facts->image_id, image));
    strbuf_addf(out, "\"Path\":\"%s\",\"Args\":[],\"RestartCount\":%d,",
                text_or(facts->command, "sh"), facts->restarts);
    add_state(out, facts);
    strbuf_addf(out,
                ",\"HostConfig\":{\"Memory\":%lld,\"OomScoreAdj\":%d,\"NetworkMode\":\"%s\","
                "\"RestartPolicy\":{\"Name\":\"%s\",\"MaximumRetryCount\":0}},",
                facts->limit, facts->oom_score_adj, text_or(facts->network, "bridge"),
                text_or(facts->policy, "no"));
    strbuf_addf(out,
                "\"Config\":{\"Image\":\"%s\",\"Tty\":false,\"Env\":[\"%s\"],\"Cmd\":[\"%s\"],"
                "\"Labels\":{}},",
                facts->image, text_or(facts->environment, "A=b"), text_or(facts->command, "sh"));
    strbuf_adds(out, "\"Mounts\":[");
    if (facts->destination)
        strbuf_addf(
            out, "{\"Type\":\"volume\",\"Name\":\"%s\",\"Source\":\"/x\",\"Destination\":\"%s\"}",
            facts->volume, facts->destination);
    strbuf_adds(out, "],\"NetworkSettings\":{\"Ports\":{");
    add_port(out, facts);
    strbuf_adds(out, "},\"Networks\":{");
    if (facts->network)
        strbuf_addf(out, "\"%s\":{\"IPAddress\":\"%s\",\"GlobalIPv6Address\":\"\"}", facts->network,
                    text_or(facts->address, ""));
    strbuf_adds(out, "}}}");
}

static void add_list(struct strbuf *out, const struct engine_script *script)
{
    strbuf_addc(out, '[');
    for (unsigned i = 0; i < script->count; i++) {
        const struct script_container *facts = &script->entries[i].facts;

        strbuf_addf(out,
                    "%s{\"Id\":\"%s\",\"Names\":[\"/%s\"],\"Image\":\"%s\",\"State\":\"%s\","
                    "\"Status\":\"%s %lld\"}",
                    i ? "," : "", script->entries[i].id, facts->name, facts->image, facts->state,
                    facts->state, facts->started);
    }
    strbuf_addc(out, ']');
}

static void add_stats(struct strbuf *out, const struct script_container *facts)
{
    strbuf_addf(out,
                "{\"memory_stats\":{\"usage\":%lld,\"limit\":%lld,\"stats\":{\"inactive_file\":0}},"
                "\"cpu_stats\":{\"cpu_usage\":{\"total_usage\":1000000000},\"online_cpus\":2}}",
                facts->memory, facts->limit ? facts->limit : 1LL << 40);
}

/* ---- streams ---- */

static void follow(struct engine_script *script, int fd, const char *name)
{
    static const char head[] = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: "
                               "application/json\r\nConnection: close\r\nTransfer-Encoding: "
                               "chunked\r\n\r\n";
    const struct entry *entry;

    pthread_mutex_lock(&script->lock);
    fake_engine_sends(fd, head);
    entry = *name ? find(script, name) : NULL;
    if (entry && entry->log.len)
        fake_engine_chunk(fd, entry->log.s, entry->log.len);
    if (entry && strcmp(entry->facts.state, "running") != 0)
        fake_engine_chunk(fd, "", 0);
    for (int i = 0; i < FOLLOWERS_MAX; i++) {
        if (script->followers[i].fd >= 0)
            continue;
        script->followers[i].fd = fd;
        snprintf(script->followers[i].name, sizeof(script->followers[i].name), "%s", name);
        break;
    }
    pthread_mutex_unlock(&script->lock);
}

static void unfollow(struct engine_script *script, int fd)
{
    pthread_mutex_lock(&script->lock);
    for (int i = 0; i < FOLLOWERS_MAX; i++) {
        if (script->followers[i].fd == fd)
            script->followers[i].fd = -1;
    }
    pthread_mutex_unlock(&script->lock);
}

/* Under the lock; len 0: the end. */
static void tell(struct engine_script *script, const char *name, const char *bytes, size_t len)
{
    for (int i = 0; i < FOLLOWERS_MAX; i++) {
        struct follower *follower = &script->followers[i];

        if (follower->fd >= 0 && strcmp(follower->name, name) == 0)
            fake_engine_chunk(follower->fd, bytes, len);
    }
}

/* ---- serving ---- */

static bool is_mute(struct engine_script *script)
{
    bool mute;

    pthread_mutex_lock(&script->lock);
    mute = script->mute;
    pthread_mutex_unlock(&script->lock);
    return mute;
}

static bool serve_stream(struct engine_script *script, int fd, const char *path)
{
    char name[64] = EVENTS;
    const struct entry *entry;

    if (strncmp(path, "/containers/", 12) == 0) {
        pthread_mutex_lock(&script->lock);
        entry = find_id(script, path + 12);
        if (entry)
            snprintf(name, sizeof(name), "%s", entry->facts.name);
        pthread_mutex_unlock(&script->lock);
    }
    follow(script, fd, name);
    fake_engine_wait(fd);
    unfollow(script, fd);
    return false;
}

/* Under the lock. The status. */
static int make_answer(struct engine_script *script, const char *path, struct strbuf *out)
{
    const struct entry *entry =
        strncmp(path, "/containers/", 12) == 0 ? find_id(script, path + 12) : NULL;
    char id[96], image[128];

    if (strncmp(path, "/_ping", 6) == 0)
        strbuf_adds(out, "OK");
    else if (strncmp(path, "/version", 8) == 0)
        strbuf_adds(out,
                    "{\"Version\":\"20.10.24\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":"
                    "\"1.12\",\"Components\":[{\"Name\":\"Engine\",\"Version\":\"20.10.24\"}]}");
    else if (strncmp(path, "/info", 5) == 0)
        strbuf_addf(out, "{\"OperatingSystem\":\"Debian\",\"SecurityOptions\":[%s]}",
                    script->rootless ? "\"name=rootless\"" : "");
    else if (strncmp(path, "/containers/json", 16) == 0)
        add_list(out, script);
    else if (entry && strncmp(path + 76, "/json", 5) == 0)
        add_inspect(out, entry);
    else if (entry && strncmp(path + 76, "/stats", 6) == 0)
        add_stats(out, &entry->facts);
    else if (sscanf(path, "/images/%127[^/]/json", image) == 1) {
        char *colon = strstr(image, "%3A");

        if (colon) {
            *colon = ':';
            memmove(colon + 1, colon + 3, strlen(colon + 3) + 1);
        }
        image_id(image, id, sizeof(id));
        strbuf_addf(out, "{\"Id\":\"%s\"}", id);
    } else {
        strbuf_adds(out, "{\"message\":\"no such thing\"}");
        return 404;
    }
    return 200;
}

static bool serve(struct fake_engine *fake, int fd, const char *request, void *context)
{
    struct engine_script *script = context;
    const char *path = strchr(request, ' ');
    struct strbuf body = {0};
    int status;
    bool sent;

    (void)fake;
    if (!path || is_mute(script))
        return fake_engine_wait(fd);
    path++;
    if (strncmp(path, "/v1.", 4) == 0)
        path = strchr(path + 1, '/');
    if (strncmp(path, "/events", 7) == 0 ||
        (strncmp(path, "/containers/", 12) == 0 && strstr(path, "/logs?")))
        return serve_stream(script, fd, path);
    pthread_mutex_lock(&script->lock);
    status = make_answer(script, path, &body);
    pthread_mutex_unlock(&script->lock);
    sent = fake_engine_answer(fd, status, body.s);
    strbuf_free(&body);
    return sent;
}

/* ---- the test's side ---- */

struct engine_script *engine_script_start(bool rootless)
{
    struct engine_script *script = mem_zalloc(sizeof(*script));

    pthread_mutex_init(&script->lock, NULL);
    script->rootless = rootless;
    for (int i = 0; i < FOLLOWERS_MAX; i++)
        script->followers[i].fd = -1;
    script->engine = fake_engine_start(serve, script);
    return script;
}

void engine_script_stop(struct engine_script *script)
{
    fake_engine_stop(script->engine);
    for (unsigned i = 0; i < script->count; i++)
        strbuf_free(&script->entries[i].log);
    pthread_mutex_destroy(&script->lock);
    free(script);
}

const char *engine_script_socket(const struct engine_script *script)
{
    return fake_engine_socket(script->engine);
}

void engine_script_put(struct engine_script *script, const struct script_container *container,
                       const char *event)
{
    struct entry *entry;
    struct strbuf line = {0};

    pthread_mutex_lock(&script->lock);
    entry = find(script, container->name);
    if (!entry && script->count < CONTAINERS_MAX) {
        entry = &script->entries[script->count++];
        snprintf(entry->id, sizeof(entry->id), "%02x%062x", script->count, 0xabcdefU);
    }
    if (!entry)
        abort();
    entry->facts = *container;
    if (event) {
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        strbuf_addf(
            &line,
            "{\"Type\":\"container\",\"Action\":\"%s\",\"status\":\"%s\",\"id\":\"%s\","
            "\"Actor\":{\"ID\":\"%s\",\"Attributes\":{\"name\":\"%s\",\"exitCode\":\"%d\"}},"
            "\"time\":%lld,\"timeNano\":%lld%09ld}\n",
            event, event, entry->id, entry->id, container->name, container->exit_code,
            (long long)now.tv_sec, (long long)now.tv_sec, now.tv_nsec);
        tell(script, EVENTS, line.s, line.len);
    }
    pthread_mutex_unlock(&script->lock);
    strbuf_free(&line);
}

void engine_script_log(struct engine_script *script, const char *name, bool error, const char *text)
{
    struct strbuf payload = {0}, frame = {0};
    struct timespec now;
    struct entry *entry;
    char when[40], head[8] = {error ? 2 : 1};

    clock_gettime(CLOCK_REALTIME, &now);
    stamp(now.tv_sec, when, sizeof(when));
    strbuf_addf(&payload, "%.19s.%09ldZ %s\n", when, now.tv_nsec, text);
    for (int i = 0; i < 4; i++)
        head[4 + i] = (char)(payload.len >> (24 - 8 * i));
    strbuf_add(&frame, head, sizeof(head));
    strbuf_add(&frame, payload.s, payload.len);
    pthread_mutex_lock(&script->lock);
    entry = find(script, name);
    if (!entry)
        abort();
    strbuf_add(&entry->log, frame.s, frame.len);
    tell(script, name, frame.s, frame.len);
    pthread_mutex_unlock(&script->lock);
    strbuf_free(&payload);
    strbuf_free(&frame);
}

void engine_script_end_logs(struct engine_script *script, const char *name)
{
    pthread_mutex_lock(&script->lock);
    tell(script, name, "", 0);
    pthread_mutex_unlock(&script->lock);
}

unsigned engine_script_followers(struct engine_script *script)
{
    unsigned count = 0;

    pthread_mutex_lock(&script->lock);
    for (int i = 0; i < FOLLOWERS_MAX; i++)
        count += script->followers[i].fd >= 0 && strcmp(script->followers[i].name, EVENTS) != 0;
    pthread_mutex_unlock(&script->lock);
    return count;
}

void engine_script_mute(struct engine_script *script, bool mute)
{
    pthread_mutex_lock(&script->lock);
    script->mute = mute;
    pthread_mutex_unlock(&script->lock);
    if (mute)
        fake_engine_hang_up(script->engine);
}
