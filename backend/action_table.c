/* The acts, a row each. A new one is its file and its line here. */
#include "backend/action_impl.h"

#include <assert.h>

static const struct act_ops *const table[ACTS] = {
    [ACT_FLUSH] = &act_flush,           [ACT_UNDO_FLUSH] = &act_undo_flush,
    [ACT_DELETE] = &act_delete,         [ACT_CANCEL] = &act_cancel,
    [ACT_TERMINATE] = &act_terminate,   [ACT_BACKUP] = &act_backup,
    [ACT_RESTORE] = &act_restore,       [ACT_REPLACE] = &act_replace,
    [ACT_CREATEDB] = &act_createdb,     [ACT_RESTART] = &act_restart,
    [ACT_CANCEL_JOB] = &act_cancel_job, [ACT_KILL_CLIENT] = &act_kill_client,
};

const struct act_ops *act_ops_of(enum act act)
{
    assert(act >= 0 && act < ACTS && table[act]);
    return table[act];
}

const struct act_info *act_info(enum act act)
{
    return &act_ops_of(act)->info;
}
