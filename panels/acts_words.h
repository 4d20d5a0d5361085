/* What the acts' words of the : line run; rows of the table in commands.c. */
#ifndef PANELS_ACTS_WORDS_H
#define PANELS_ACTS_WORDS_H

#include "panels/data.h"

void act_word_flush(struct app *app, const char *args);
void act_word_undo_flush(struct app *app, const char *args);
void act_word_delete(struct app *app, const char *args);
void act_word_cancel(struct app *app, const char *args);
void act_word_terminate(struct app *app, const char *args);
void act_word_backup(struct app *app, const char *args);
void act_word_restore(struct app *app, const char *args);
void act_word_replace(struct app *app, const char *args);
void act_word_createdb(struct app *app, const char *args);
void act_word_restart(struct app *app, const char *args);
void act_word_kill_client(struct app *app, const char *args);
void act_word_cancel_job(struct app *app, const char *args);
void act_word_jobs(struct app *app, const char *args);
void act_word_audit(struct app *app, const char *args);

const char *act_choice_db(struct app *app, size_t index);
const char *act_choice_database(struct app *app, size_t index);
const char *act_choice_job(struct app *app, size_t index);

#endif
