// Makes the replica set and its users; running it again changes nothing but passwords.
// mongosh --nodb init.js, with MONGO_MEMBERS (host:port, comma separated), the root user's name and
// password as the server's image takes them, and MONGO_<SERVICE>_PASSWORD for each service.
const members = process.env.MONGO_MEMBERS.split(",");
const root = encodeURIComponent(process.env.MONGO_INITDB_ROOT_USERNAME);
const password = encodeURIComponent(process.env.MONGO_INITDB_ROOT_PASSWORD);
const address = `mongodb://${root}:${password}@${members[0]}/admin?directConnection=true`;

function connected() {
  for (let attempt = 0; attempt < 60; attempt++) {
    try {
      return connect(address);
    } catch (error) {
      sleep(1000);
    }
  }
  throw new Error("MongoDB does not answer");
}

let admin = connected();
try {
  rs.status();
} catch (error) {
  if (error.codeName !== "NotYetInitialized") throw error;
  rs.initiate({
    _id: "centralita",
    members: members.map((host, _id) => ({ _id, host })),
  });
}
while (!admin.hello().isWritablePrimary) sleep(500);

for (const service of ["directory", "ingestion", "contacts", "conversations", "presence"]) {
  const name = `MONGO_${service.toUpperCase()}_PASSWORD`;
  const pwd = process.env[name];
  if (!pwd) throw new Error(`${name} must be set`);
  const database = admin.getSiblingDB(service);
  const roles = [{ role: "readWrite", db: service }];
  if (database.getUser(service)) database.updateUser(service, { pwd, roles });
  else database.createUser({ user: service, pwd, roles });
}
print("ready");
