/* What the backend itself may ask of a watched PostgreSQL. */
#ifndef BACKEND_PG_INSTANCE_H
#define BACKEND_PG_INSTANCE_H

#include "backend/instance_impl.h"
#include "backend/pg_conn.h"
#include "backend/pg_control.h"

/* The connection for acts of an instance of kind INSTANCE_POSTGRES, or NULL while it has none. */
struct pg_conn *pg_instance_control(struct instance_impl *impl);

/* What acts ask with (pg_control_ask); lives as long as impl is not closed. */
struct pg_control *pg_instance_acts(struct instance_impl *impl);

#endif
