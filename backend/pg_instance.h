/* What the backend itself may ask of a watched PostgreSQL. */
#ifndef BACKEND_PG_INSTANCE_H
#define BACKEND_PG_INSTANCE_H

#include "backend/instance_impl.h"
#include "backend/pg_conn.h"

/* The connection for acts of an instance of kind INSTANCE_POSTGRES, or NULL while it has none. */
struct pg_conn *pg_instance_control(struct instance_impl *impl);

#endif
