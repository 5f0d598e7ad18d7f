// Makes the replica set and its users; running it again changes nothing but passwords.
// mongosh --nodb init.js, with MONGO_MEMBERS (host:port, comma separated), the root user's name and
// password as the server's image takes them, and MONGO_<SERVICE>_PASSWORD for each service.
//
// Whatever goes wrong is said in one line and ends it with 1: who started it starts it again. `rs` is
// not used: mongosh gives it a connection only where it made that connection itself.
const SERVICES = ["directory", "ingestion", "contacts", "conversations", "presence"];
const SET = "centralita";
const NOT_YET_INITIALIZED = 94;
// Seconds that a server has to come up in, and then a replica set to elect a primary.
const PATIENCE = Number(process.env.MONGO_PATIENCE_S) || 60;

function needed(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} must be set`);
  return value;
}

function told() {
  const members = needed("MONGO_MEMBERS").split(",");
  for (const member of members) {
    if (!/^[\w.-]+:\d{1,5}$/.test(member)) throw new Error("MONGO_MEMBERS must be host:port, comma separated");
  }
  const root = [needed("MONGO_INITDB_ROOT_USERNAME"), needed("MONGO_INITDB_ROOT_PASSWORD")];
  const passwords = SERVICES.map((service) => [service, needed(`MONGO_${service.toUpperCase()}_PASSWORD`)]);
  return { members, root, passwords };
}

// Asks again and again until there is an answer; of each new trouble on the way it says a line.
function until(what, ask) {
  const end = Date.now() + PATIENCE * 1000;
  let trouble = "not yet";
  while (Date.now() < end) {
    try {
      const answer = ask();
      if (answer) return answer;
    } catch (error) {
      if (error.message !== trouble) print(`waiting until ${what}: ${error.message}`);
      trouble = error.message;
    }
    sleep(500);
  }
  throw new Error(`gave up after ${PATIENCE} s of waiting until ${what}: ${trouble}`);
}

function connected([first], root) {
  const [user, password] = root.map(encodeURIComponent);
  const options = "directConnection=true&serverSelectionTimeoutMS=2000&connectTimeoutMS=2000&socketTimeoutMS=10000";
  return until(`${first} lets ${root[0]} in`, () =>
    connect(`mongodb://${user}:${password}@${first}/admin?${options}`),
  );
}

function replicated(admin, members) {
  try {
    admin.adminCommand({ replSetGetStatus: 1 });
  } catch (error) {
    if (error.code !== NOT_YET_INITIALIZED) throw error;
    const known = members.map((host, _id) => ({ _id, host }));
    admin.adminCommand({ replSetInitiate: { _id: SET, members: known } });
  }
  until(`${members[0]} is the primary of ${SET}`, () => admin.adminCommand({ hello: 1 }).isWritablePrimary);
}

function allowed(admin, service, pwd) {
  const database = admin.getSiblingDB(service);
  const roles = [{ role: "readWrite", db: service }];
  const [known] = database.runCommand({ usersInfo: service }).users;
  database.runCommand({ [known ? "updateUser" : "createUser"]: service, pwd, roles });
}

try {
  const { members, root, passwords } = told();
  const admin = connected(members, root);
  replicated(admin, members);
  for (const [service, password] of passwords) allowed(admin, service, password);
  print("ready");
} catch (error) {
  print(`mongo-init: ${error.message}`);
  quit(1);
}
